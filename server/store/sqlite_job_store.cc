#include "server/store/sqlite_job_store.h"

#include <filesystem>
#include <system_error>

#include "proto/support/time.h"
#include "server/store/sqlite_statement.h"

namespace mind::server {
namespace {

// Rows are numbered in order of insertion; `job` is the serialized v1.Job, the other columns are what is
// searched by.
constexpr char kSchema[] = R"sql(
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
  INSERT INTO meta VALUES('epoch', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1;
)sql";

constexpr char kUnfinishedStates[] = "(1, 2)";  // QUEUED, RUNNING

bool HasEnded(const v1::Job& job) {
  return job.state() != v1::JOB_STATE_QUEUED && job.state() != v1::JOB_STATE_RUNNING;
}

absl::Status Execute(sqlite3* database, const char* sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, &message);
  const std::string text = message != nullptr ? message : "";
  sqlite3_free(message);
  return code == SQLITE_OK ? absl::OkStatus() : absl::InternalError(absl::StrCat("job store: ", text));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return absl::FailedPreconditionError(absl::StrCat(directory, ": cannot create: ", error.message()));
  const std::string path = directory + "/jobs.db";
  sqlite3* database = nullptr;
  const int code = sqlite3_open(path.c_str(), &database);
  std::unique_ptr<SqliteJobStore> store(new SqliteJobStore(database));
  if (code != SQLITE_OK)
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", sqlite3_errmsg(database)));
  if (absl::Status status = store->CreateSchema(); !status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": ", status.message(), " (is another mind-server using this directory?)"));
  }
  return store;
}

absl::Status SqliteJobStore::CreateSchema() {
  // FULL: a commit is on the disk, not only with the kernel. EXCLUSIVE: the lock is kept until the file is
  // closed.
  absl::Status status =
      Execute(database_.get(),
              "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
              "PRAGMA foreign_keys = ON;");
  if (status.ok()) status = Execute(database_.get(), kSchema);
  if (!status.ok()) return status;
  SqliteStatement epoch(database_.get(), "SELECT value FROM meta WHERE key = 'epoch'");
  if (epoch.Next()) epoch_ = static_cast<uint64_t>(epoch.Integer(0));
  return epoch.status();
}

absl::Status SqliteJobStore::Insert(const v1::Job& job, const RequestKey& key) {
  if (key.request_id.empty()) {
    return SqliteStatement(database_.get(), "INSERT INTO jobs(id, tenant, state, job) VALUES(?, ?, ?, ?)")
        .Text(job.id())
        .Text(job.tenant())
        .Int(job.state())
        .Blob(job.SerializeAsString())
        .Run();
  }
  return SqliteStatement(
             database_.get(),
             "INSERT INTO jobs(id, tenant, state, job, request_id, fingerprint) VALUES(?, ?, ?, ?, ?, ?)")
      .Text(job.id())
      .Text(job.tenant())
      .Int(job.state())
      .Blob(job.SerializeAsString())
      .Text(key.request_id)
      .Blob(key.fingerprint)
      .Run();
}

absl::Status SqliteJobStore::Update(const v1::Job& job) {
  if (!HasEnded(job)) {
    return SqliteStatement(database_.get(), "UPDATE jobs SET state = ?, job = ? WHERE id = ?")
        .Int(job.state())
        .Blob(job.SerializeAsString())
        .Text(job.id())
        .Run();
  }
  return SqliteStatement(database_.get(), "UPDATE jobs SET state = ?, job = ?, ended_ms = ? WHERE id = ?")
      .Int(job.state())
      .Blob(job.SerializeAsString())
      .Int(absl::ToUnixMillis(FromTimestamp(job.end_time())))
      .Text(job.id())
      .Run();
}

absl::StatusOr<std::vector<v1::Job>> SqliteJobStore::Jobs(const std::string& sql,
                                                          const std::vector<std::string>& arguments) {
  SqliteStatement statement(database_.get(), sql);
  for (const std::string& argument : arguments) statement.Text(argument);
  std::vector<v1::Job> jobs;
  while (statement.Next()) {
    if (!jobs.emplace_back().ParseFromString(statement.Bytes(0))) {
      return absl::DataLossError(
          "job store: a job cannot be read: the file is damaged or of a newer version");
    }
  }
  if (!statement.status().ok()) return statement.status();
  return jobs;
}

absl::StatusOr<std::optional<v1::Job>> SqliteJobStore::Find(const std::string& id) {
  const auto jobs = Jobs("SELECT job FROM jobs WHERE id = ?", {id});
  if (!jobs.ok()) return jobs.status();
  return jobs->empty() ? std::nullopt : std::optional(jobs->front());
}

absl::StatusOr<std::optional<JobStore::Earlier>> SqliteJobStore::FindRequest(const std::string& tenant,
                                                                             const std::string& request_id) {
  SqliteStatement statement(database_.get(),
                            "SELECT id, fingerprint FROM jobs WHERE tenant = ? AND request_id = ?");
  statement.Text(tenant).Text(request_id);
  std::optional<Earlier> earlier;
  if (statement.Next()) earlier = Earlier{statement.Bytes(0), statement.Bytes(1)};
  if (!statement.status().ok()) return statement.status();
  return earlier;
}

absl::StatusOr<std::vector<v1::Job>> SqliteJobStore::List(const std::string& tenant,
                                                          std::optional<v1::JobState> state,
                                                          const std::string& after_id, int limit) {
  std::string sql = "SELECT job FROM jobs WHERE tenant = ?";
  std::vector<std::string> arguments = {tenant};
  if (state) absl::StrAppend(&sql, " AND state = ", static_cast<int>(*state));
  if (!after_id.empty()) {
    sql += " AND number < (SELECT number FROM jobs WHERE id = ?)";
    arguments.push_back(after_id);
  }
  absl::StrAppend(&sql, " ORDER BY number DESC LIMIT ", limit);
  return Jobs(sql, arguments);
}

absl::StatusOr<std::vector<v1::Job>> SqliteJobStore::Unfinished() {
  return Jobs(absl::StrCat("SELECT job FROM jobs WHERE state IN ", kUnfinishedStates, " ORDER BY number"),
              {});
}

absl::Status SqliteJobStore::InsertImage(const std::string& job_id, const StoredImage& image) {
  return SqliteStatement(database_.get(), "INSERT OR IGNORE INTO images VALUES(?, ?, ?, ?, ?)")
      .Text(job_id)
      .Int(image.index)
      .Int(static_cast<int64_t>(image.seed))
      .Text(image.media_type)
      .Blob(image.data)
      .Run();
}

absl::StatusOr<std::vector<uint32_t>> SqliteJobStore::ImageIndices(const std::string& job_id) {
  SqliteStatement statement(database_.get(),
                            "SELECT image_index FROM images WHERE job_id = ? ORDER BY image_index");
  statement.Text(job_id);
  std::vector<uint32_t> indices;
  while (statement.Next()) indices.push_back(static_cast<uint32_t>(statement.Integer(0)));
  if (!statement.status().ok()) return statement.status();
  return indices;
}

absl::StatusOr<std::optional<StoredImage>> SqliteJobStore::FindImage(const std::string& job_id,
                                                                     uint32_t index) {
  SqliteStatement statement(database_.get(),
                            "SELECT seed, media_type, data FROM images WHERE job_id = ? AND image_index = ?");
  statement.Text(job_id).Int(index);
  std::optional<StoredImage> image;
  if (statement.Next()) {
    image = StoredImage{index, static_cast<uint64_t>(statement.Integer(0)), statement.Bytes(1),
                        statement.Bytes(2)};
  }
  if (!statement.status().ok()) return statement.status();
  return image;
}

absl::Status SqliteJobStore::SaveModel(const v1::Model& model) {
  return SqliteStatement(database_.get(), "INSERT OR REPLACE INTO models VALUES(?, ?)")
      .Text(model.name())
      .Blob(model.SerializeAsString())
      .Run();
}

absl::StatusOr<std::vector<v1::Model>> SqliteJobStore::Models() {
  SqliteStatement statement(database_.get(), "SELECT model FROM models ORDER BY name");
  std::vector<v1::Model> models;
  while (statement.Next()) {
    if (!models.emplace_back().ParseFromString(statement.Bytes(0)))
      return absl::DataLossError("job store: a model cannot be read");
  }
  if (!statement.status().ok()) return statement.status();
  return models;
}

absl::StatusOr<int> SqliteJobStore::Purge(absl::Time ended_before) {
  const absl::Status status = SqliteStatement(database_.get(), "DELETE FROM jobs WHERE ended_ms < ?")
                                  .Int(absl::ToUnixMillis(ended_before))
                                  .Run();
  if (!status.ok()) return status;
  return sqlite3_changes(database_.get());
}

}  // namespace mind::server
