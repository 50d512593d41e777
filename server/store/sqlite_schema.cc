#include "server/store/sqlite_schema.h"

#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/store/source_pictures.h"
#include "server/store/sqlite_statement.h"

namespace mind::server {
namespace {

// How long a start may look for damage.
constexpr absl::Duration kCheckLimit = absl::Seconds(5);
// Instructions of SQLite's between two looks at the clock.
constexpr int kCheckStride = 100'000;

// Version 1. Rows are numbered in order of insertion; `job` is the serialized v1.Job, the other columns are
// what is searched by. Files made before versions were counted have these tables already.
constexpr char kSqliteTables[] = R"sql(
  CREATE TABLE IF NOT EXISTS jobs(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    request_id TEXT,
    fingerprint BLOB,
    state INTEGER NOT NULL,
    ended_ms INTEGER,
    job BLOB NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_request ON jobs(tenant, request_id) WHERE request_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs(tenant, number);
  CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs(state);
  CREATE TABLE IF NOT EXISTS images(
    job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    image_index INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(job_id, image_index)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS models(name TEXT PRIMARY KEY, model BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// Version 2. Events of pictures and ends keep their numbers: those of before get such as are above all that
// were told, so that nobody misses one. Jobs tied to a call. Where rows go that cannot be read.
constexpr char kSequences[] = R"sql(
  ALTER TABLE jobs ADD COLUMN tied INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN end_sequence INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE images ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
  INSERT OR IGNORE INTO meta VALUES('epoch', 0);
  UPDATE images SET sequence = ((SELECT value FROM meta WHERE key = 'epoch') << 40) + (1 << 39) + image_index;
  UPDATE jobs SET end_sequence = ((SELECT value FROM meta WHERE key = 'epoch') << 40) + (1 << 39) + (1 << 20)
    WHERE ended_ms IS NOT NULL;
  CREATE TABLE damaged(number INTEGER PRIMARY KEY, id TEXT NOT NULL, job BLOB NOT NULL);
)sql";

// Version 3. Jobs that have not ended are walked in order, those that have are found by when.
constexpr char kWalks[] = R"sql(
  DROP INDEX IF EXISTS jobs_by_state;
  CREATE INDEX jobs_unfinished ON jobs(number) WHERE ended_ms IS NULL;
  CREATE INDEX jobs_ended ON jobs(ended_ms) WHERE ended_ms IS NOT NULL;
)sql";

// Version 4. Pictures that requests bring lie beside the job, not in it. Large pictures are blobs: their rows
// have no data, but a hash.
constexpr char kBlobs[] = R"sql(
  CREATE TABLE sources(
    job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(job_id, hash));
  CREATE INDEX sources_by_hash ON sources(hash) WHERE data = x'';
  ALTER TABLE images ADD COLUMN hash BLOB;
  CREATE INDEX images_by_hash ON images(hash) WHERE hash IS NOT NULL;
)sql";

// Version 5. Jobs are found by their labels; those whose end is still to be told; secrets by purpose.
constexpr char kSqliteFaces[] = R"sql(
  CREATE TABLE labels(
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES jobs(number) ON DELETE CASCADE,
    PRIMARY KEY(tenant, name, text, number)) WITHOUT ROWID;
  CREATE INDEX labels_by_job ON labels(number);
  ALTER TABLE jobs ADD COLUMN webhook INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX jobs_to_tell ON jobs(number) WHERE webhook != 0;
  CREATE TABLE secrets(
    purpose TEXT NOT NULL,
    made_us INTEGER NOT NULL,
    secret BLOB NOT NULL,
    PRIMARY KEY(purpose, made_us)) WITHOUT ROWID;
)sql";

// Version 6. What models cost.
constexpr char kPrices[] = R"sql(
  CREATE TABLE prices(
    model BLOB PRIMARY KEY,
    revision BLOB NOT NULL,
    row_ns INTEGER NOT NULL,
    row_megapixel_ns INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// Version 7. Keys and what tenants may take: `key` is a serialized StoredKey, `limits` TenantLimits.
constexpr char kSqliteTrust[] = R"sql(
  CREATE TABLE api_keys(id TEXT PRIMARY KEY, tenant TEXT NOT NULL, key BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE tenants(name TEXT PRIMARY KEY, limits BLOB NOT NULL) WITHOUT ROWID;
)sql";

// Version 8. Pictures may be objects outside: their rows have no data, but the object's key beside the hash.
constexpr char kSqliteObjects[] = R"sql(
  ALTER TABLE images ADD COLUMN object TEXT;
  ALTER TABLE sources ADD COLUMN object TEXT;
)sql";

// Version 9. What jobs that have ended have used, which is known longer than they are.
constexpr char kSqliteUsage[] = R"sql(
  CREATE TABLE usage(
    job_id TEXT PRIMARY KEY,
    ended_ms INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model BLOB NOT NULL,
    images INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    worker_us INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX usage_by_time ON usage(ended_ms);
)sql";

// Version 10. Jobs of a tenant that have ended are found by when: it may keep them for a time of its own.
constexpr char kSqliteRetention[] = R"sql(
  CREATE INDEX jobs_ended_of_tenant ON jobs(tenant, ended_ms) WHERE ended_ms IS NOT NULL;
)sql";

// The pictures of version 3's jobs.
absl::Status MovePictures(sqlite3* database) {
  std::vector<int64_t> numbers;
  SqliteStatement jobs(database, "SELECT number, job FROM jobs");
  v1::Job job;
  while (jobs.Next()) {
    if (job.ParseFromString(jobs.Bytes(1)) && HasPictures(job.spec())) numbers.push_back(jobs.Integer(0));
  }
  if (!jobs.status().ok()) return jobs.status();
  for (const int64_t number : numbers) {
    SqliteStatement row(database, "SELECT job FROM jobs WHERE number = ?");
    row.Int(number);
    if (!row.Next() || !job.ParseFromString(row.Bytes(0))) continue;
    for (const SourcePicture& picture : TakePictures(*job.mutable_spec())) {
      const absl::Status moved =
          SqliteStatement(database, "INSERT OR IGNORE INTO sources(job_id, hash, data) VALUES(?, ?, ?)")
              .Text(job.id())
              .Blob(picture.blob.hash)
              .Blob(*picture.blob.data)
              .Run();
      if (!moved.ok()) return moved;
    }
    const absl::Status kept = SqliteStatement(database, "UPDATE jobs SET job = ? WHERE number = ?")
                                  .Blob(job.SerializeAsString())
                                  .Int(number)
                                  .Run();
    if (!kept.ok()) return kept;
  }
  return absl::OkStatus();
}

// How a file becomes one of a version, when it is one of that before.
struct Version {
  const char* sql;
  absl::Status (*then)(sqlite3* database) = [](sqlite3*) { return absl::OkStatus(); };
};
constexpr Version kSqliteVersions[] = {
    {kSqliteTables}, {kSequences},   {kWalks},         {kBlobs, MovePictures}, {kSqliteFaces},
    {kPrices},       {kSqliteTrust}, {kSqliteObjects}, {kSqliteUsage},         {kSqliteRetention}};
constexpr int kSqliteVersion = static_cast<int>(std::size(kSqliteVersions));

}  // namespace

absl::Status ExecuteSql(sqlite3* database, const char* sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, &message);
  const std::string text = message != nullptr ? message : sqlite3_errstr(code);
  sqlite3_free(message);
  return code == SQLITE_OK ? absl::OkStatus() : StoreError(code, text);
}

absl::Status BringUpToDate(SqliteConnection& connection) {
  int found = 0;
  {
    SqliteStatement query(connection.get(), "PRAGMA user_version");
    if (query.Next()) found = static_cast<int>(query.Integer(0));
    if (!query.status().ok()) return query.status();
  }
  if (found > kSqliteVersion) {
    return absl::FailedPreconditionError(absl::StrCat("made by a newer mind-server: it is of version ", found,
                                                      ", this one knows up to ", kSqliteVersion));
  }
  return connection.Together([&] {
    absl::Status status;
    for (int version = found; status.ok() && version < kSqliteVersion; ++version) {
      status = ExecuteSql(connection.get(), kSqliteVersions[version].sql);
      if (status.ok()) status = kSqliteVersions[version].then(connection.get());
    }
    if (!status.ok()) return status;
    return ExecuteSql(
        connection.get(),
        absl::StrCat("PRAGMA user_version = ", kSqliteVersion, ";",
                     "INSERT INTO meta VALUES('epoch', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1;")
            .c_str());
  });
}

absl::Status QuickCheck(sqlite3* database) {
  absl::Time give_up = absl::Now() + kCheckLimit;
  sqlite3_progress_handler(
      database, kCheckStride,
      [](void* limit) { return absl::Now() > *static_cast<const absl::Time*>(limit) ? 1 : 0; }, &give_up);
  std::string found = "ok";
  absl::Status status;
  {
    SqliteStatement check(database, "PRAGMA quick_check(1)");
    if (check.Next()) found = check.Bytes(0);
    status = check.status();
  }
  sqlite3_progress_handler(database, 0, nullptr, nullptr);
  if (sqlite3_errcode(database) == SQLITE_INTERRUPT) {
    LogInfo("the job store is too large to be checked whole",
            {{"checked_for", absl::FormatDuration(kCheckLimit)}});
    return absl::OkStatus();
  }
  if (status.ok() && found != "ok") {
    status = MakeError(absl::StatusCode::kDataLoss, absl::StrCat("damaged: ", found), "STORE_DAMAGED");
  }
  return status;
}

}  // namespace mind::server
