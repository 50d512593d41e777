#include "server/store/sqlite_schema.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/store/sqlite_statement.h"

namespace mind::server {
namespace {

// How long a start may look for damage.
constexpr absl::Duration kCheckLimit = absl::Seconds(5);
// Instructions of SQLite's between two looks at the clock.
constexpr int kCheckStride = 100'000;

// Version 1. Rows are numbered in order of insertion; `job` is the serialized v1.Job, the other columns are
// what is searched by. Files made before versions were counted have these tables already.
constexpr char kTables[] = R"sql(
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

constexpr const char* kVersions[] = {kTables, kSequences, kWalks};
constexpr int kVersion = static_cast<int>(std::size(kVersions));

}  // namespace

absl::Status ExecuteSql(sqlite3* database, const char* sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, &message);
  const std::string text = message != nullptr ? message : sqlite3_errstr(code);
  sqlite3_free(message);
  return code == SQLITE_OK ? absl::OkStatus() : StoreError(code, text);
}

absl::Status BringUpToDate(sqlite3* database) {
  SqliteStatement query(database, "PRAGMA user_version");
  const int found = query.Next() ? static_cast<int>(query.Integer(0)) : 0;
  if (!query.status().ok()) return query.status();
  while (query.Next()) {
  }
  if (found > kVersion) {
    return absl::FailedPreconditionError(absl::StrCat("made by a newer mind-server: it is of version ", found,
                                                      ", this one knows up to ", kVersion));
  }
  std::string sql = "BEGIN IMMEDIATE;";
  for (int version = found; version < kVersion; ++version) sql += kVersions[version];
  absl::StrAppend(&sql, "PRAGMA user_version = ", kVersion, ";",
                  "INSERT INTO meta VALUES('epoch', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1;",
                  "COMMIT;");
  const absl::Status status = ExecuteSql(database, sql.c_str());
  if (!status.ok() && sqlite3_get_autocommit(database) == 0) ExecuteSql(database, "ROLLBACK;").IgnoreError();
  return status;
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
