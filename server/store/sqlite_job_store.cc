#include "server/store/sqlite_job_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/store/sqlite_schema.h"

namespace mind::server {
namespace {

constexpr char kUnfinished[] = "state IN (1, 2)";  // QUEUED, RUNNING

// Makes the file if there is none; its owner alone may read it. SQLite gives its companions the same rights.
absl::Status MakePrivate(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const bool made = fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  return made ? absl::OkStatus()
              : absl::FailedPreconditionError(absl::StrCat(path, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(const std::string& directory,
                                                                     absl::Duration patience) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return absl::FailedPreconditionError(absl::StrCat(directory, ": cannot create: ", error.message()));
  const std::string path = directory + "/jobs.db";
  if (absl::Status status = MakePrivate(path); !status.ok()) return status;
  sqlite3* database = nullptr;
  const int code = sqlite3_open(path.c_str(), &database);
  std::unique_ptr<SqliteJobStore> store(new SqliteJobStore(database));
  if (code != SQLITE_OK)
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", sqlite3_errmsg(database)));
  if (absl::Status status = store->Prepare(patience); !status.ok()) {
    const bool busy = (sqlite3_errcode(database) & 0xff) == SQLITE_BUSY;
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": ", status.message(), busy ? " (is another mind-server using this directory?)" : ""));
  }
  return store;
}

absl::Status SqliteJobStore::Prepare(absl::Duration patience) {
  sqlite3_busy_timeout(database_.get(), static_cast<int>(absl::ToInt64Milliseconds(patience)));
  // FULL: a commit is on the disk, not only with the kernel. EXCLUSIVE: the lock is kept until the file is
  // closed.
  absl::Status status =
      ExecuteSql(database_.get(),
                 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                 "PRAGMA foreign_keys = ON;");
  if (status.ok()) status = BringUpToDate(database_.get());
  if (status.ok()) status = QuickCheck(database_.get());
  if (!status.ok()) return status;
  SqliteStatement epoch(database_.get(), "SELECT value FROM meta WHERE key = 'epoch'");
  if (epoch.Next()) epoch_ = static_cast<uint64_t>(epoch.Integer(0));
  return epoch.status();
}

absl::Status SqliteJobStore::Together(const std::function<absl::Status()>& work) {
  absl::Status status = ExecuteSql(database_.get(), "BEGIN IMMEDIATE");
  if (status.ok()) status = work();
  if (status.ok()) status = ExecuteSql(database_.get(), "COMMIT");
  // Some errors have rolled back already.
  if (!status.ok() && sqlite3_get_autocommit(database_.get()) == 0) {
    ExecuteSql(database_.get(), "ROLLBACK").IgnoreError();
  }
  return status;
}

absl::Status SqliteJobStore::Insert(const v1::Job& job, const RequestKey& key, bool tied) {
  const auto insert = [&] {
    SqliteStatement statement(database_.get(),
                              key.request_id.empty()
                                  ? "INSERT INTO jobs(id, tenant, state, job, tied) VALUES(?, ?, ?, ?, ?)"
                                  : "INSERT INTO jobs(id, tenant, state, job, tied, request_id, fingerprint) "
                                    "VALUES(?, ?, ?, ?, ?, ?, ?)");
    statement.Text(job.id())
        .Text(job.tenant())
        .Int(job.state())
        .Blob(job.SerializeAsString())
        .Int(tied ? 1 : 0);
    if (!key.request_id.empty()) statement.Text(key.request_id).Blob(key.fingerprint);
    return statement.Run();
  };
  if (key.replaces.empty()) return insert();
  return Together([&]() -> absl::Status {
    const absl::Status given_up =
        SqliteStatement(database_.get(), "UPDATE jobs SET request_id = NULL, fingerprint = NULL WHERE id = ?")
            .Text(key.replaces)
            .Run();
    return given_up.ok() ? insert() : given_up;
  });
}

absl::Status SqliteJobStore::Update(const v1::Job& job) {
  return SqliteStatement(database_.get(), "UPDATE jobs SET state = ?, job = ? WHERE id = ?")
      .Int(job.state())
      .Blob(job.SerializeAsString())
      .Text(job.id())
      .Run();
}

absl::Status SqliteJobStore::End(const v1::Job& job, uint64_t sequence) {
  return SqliteStatement(database_.get(),
                         "UPDATE jobs SET state = ?, job = ?, ended_ms = ?, end_sequence = ? WHERE id = ?")
      .Int(job.state())
      .Blob(job.SerializeAsString())
      .Int(absl::ToUnixMillis(FromTimestamp(job.end_time())))
      .Int(static_cast<int64_t>(sequence))
      .Text(job.id())
      .Run();
}

absl::Status SqliteJobStore::Untie(const std::string& id) {
  return SqliteStatement(database_.get(), "UPDATE jobs SET tied = 0 WHERE id = ?").Text(id).Run();
}

absl::StatusOr<std::vector<StoredJob>> SqliteJobStore::Jobs(
    const std::string& where, const std::function<void(SqliteStatement&)>& bind) {
  SqliteStatement statement(
      database_.get(),
      absl::StrCat("SELECT job, number, tied, end_sequence, id, tenant FROM jobs WHERE ", where));
  bind(statement);
  struct Damaged {
    size_t at;
    std::string id, tenant;
  };
  std::vector<StoredJob> jobs;
  std::vector<Damaged> damaged;
  while (statement.Next()) {
    StoredJob& stored = jobs.emplace_back();
    stored.number = static_cast<uint64_t>(statement.Integer(1));
    stored.tied = statement.Integer(2) != 0;
    stored.end_sequence = static_cast<uint64_t>(statement.Integer(3));
    if (!stored.job.ParseFromString(statement.Bytes(0)) || stored.job.id() != statement.Bytes(4)) {
      damaged.push_back({jobs.size() - 1, statement.Bytes(4), statement.Bytes(5)});
    }
  }
  if (!statement.status().ok()) return statement.status();
  for (const Damaged& row : damaged) jobs[row.at].job = SetAside(jobs[row.at].number, row.id, row.tenant);
  return jobs;
}

v1::Job SqliteJobStore::SetAside(uint64_t number, const std::string& id, const std::string& tenant) {
  v1::Job job;
  job.set_id(id);
  job.set_tenant(tenant);
  job.set_state(v1::JOB_STATE_FAILED);
  *job.mutable_create_time() = *job.mutable_end_time() = ToTimestamp(absl::Now());
  *job.mutable_error() = ToProto(MakeError(
      absl::StatusCode::kDataLoss, "the server's record of this job cannot be read", "STORE_DAMAGED"));
  const absl::Status done = Together([&]() -> absl::Status {
    const absl::Status kept =
        SqliteStatement(database_.get(),
                        "INSERT OR IGNORE INTO damaged SELECT number, id, job FROM jobs "
                        "WHERE number = ?")
            .Int(static_cast<int64_t>(number))
            .Run();
    // Its end is told after everything else: see JobFeeds.
    return kept.ok() ? End(job, (epoch_ + 1) << 40) : kept;
  });
  LogError("a job's row cannot be read and is set aside",
           {{"job", Printable(id)}, {"set_aside", done.ok() ? "yes" : std::string(done.message())}});
  return job;
}

absl::StatusOr<std::optional<StoredJob>> SqliteJobStore::Find(const std::string& id) {
  auto jobs = Jobs("id = ?", [&id](SqliteStatement& statement) { statement.Text(id); });
  if (!jobs.ok()) return jobs.status();
  return jobs->empty() ? std::nullopt : std::optional(std::move(jobs->front()));
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

absl::StatusOr<std::vector<StoredJob>> SqliteJobStore::List(const std::string& tenant,
                                                            const std::vector<v1::JobState>& states,
                                                            uint64_t before, int limit) {
  std::string where = "tenant = ? AND number < ?";
  if (!states.empty()) {
    absl::StrAppend(&where, " AND state IN (",
                    absl::StrJoin(states, ", ",
                                  [](std::string* out, v1::JobState state) {
                                    absl::StrAppend(out, static_cast<int>(state));
                                  }),
                    ")");
  }
  absl::StrAppend(&where, " ORDER BY number DESC LIMIT ", limit);
  const auto number = static_cast<int64_t>(
      std::min<uint64_t>(before, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
  return Jobs(where, [&](SqliteStatement& statement) { statement.Text(tenant).Int(number); });
}

absl::StatusOr<std::vector<StoredJob>> SqliteJobStore::Unfinished() {
  auto jobs = Jobs(absl::StrCat(kUnfinished, " ORDER BY number"), [](SqliteStatement&) {});
  // What has been set aside has ended.
  if (jobs.ok()) std::erase_if(*jobs, [](const StoredJob& stored) { return stored.job.has_end_time(); });
  return jobs;
}

absl::Status SqliteJobStore::InsertImage(const std::string& job_id, const StoredImage& image) {
  return SqliteStatement(
             database_.get(),
             "INSERT OR IGNORE INTO images(job_id, image_index, seed, media_type, data, sequence) "
             "VALUES(?, ?, ?, ?, ?, ?)")
      .Text(job_id)
      .Int(image.index)
      .Int(static_cast<int64_t>(image.seed))
      .Text(image.media_type)
      .Blob(image.data)
      .Int(static_cast<int64_t>(image.sequence))
      .Run();
}

absl::StatusOr<std::vector<JobStore::ImageMark>> SqliteJobStore::Images(const std::string& job_id) {
  SqliteStatement statement(database_.get(),
                            "SELECT image_index, sequence FROM images WHERE job_id = ? ORDER BY image_index");
  statement.Text(job_id);
  std::vector<ImageMark> images;
  while (statement.Next()) {
    images.push_back(
        {static_cast<uint32_t>(statement.Integer(0)), static_cast<uint64_t>(statement.Integer(1))});
  }
  if (!statement.status().ok()) return statement.status();
  return images;
}

absl::StatusOr<std::optional<StoredImage>> SqliteJobStore::FindImage(const std::string& job_id,
                                                                     uint32_t index) {
  SqliteStatement statement(
      database_.get(),
      "SELECT seed, media_type, data, sequence FROM images WHERE job_id = ? AND image_index = ?");
  statement.Text(job_id).Int(index);
  std::optional<StoredImage> image;
  if (statement.Next()) {
    image = StoredImage{.index = index,
                        .seed = static_cast<uint64_t>(statement.Integer(0)),
                        .media_type = statement.Bytes(1),
                        .data = statement.Bytes(2),
                        .sequence = static_cast<uint64_t>(statement.Integer(3))};
  }
  if (!statement.status().ok()) return statement.status();
  return image;
}

absl::Status SqliteJobStore::SaveModels(const std::vector<v1::Model>& models) {
  return Together([&]() -> absl::Status {
    for (const v1::Model& model : models) {
      const absl::Status saved =
          SqliteStatement(database_.get(), "INSERT OR REPLACE INTO models VALUES(?, ?)")
              .Text(model.name())
              .Blob(model.SerializeAsString())
              .Run();
      if (!saved.ok()) return saved;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<v1::Model>> SqliteJobStore::Models() {
  SqliteStatement statement(database_.get(), "SELECT model, name FROM models ORDER BY name");
  std::vector<v1::Model> models;
  while (statement.Next()) {
    if (models.emplace_back().ParseFromString(statement.Bytes(0))) continue;
    // The next worker that offers it describes it anew.
    LogError("a model's row cannot be read and is left out", {{"model", Printable(statement.Bytes(1))}});
    models.pop_back();
  }
  if (!statement.status().ok()) return statement.status();
  return models;
}

absl::Status SqliteJobStore::Probe() {
  return SqliteStatement(
             database_.get(),
             "INSERT INTO meta VALUES('probes', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1")
      .Run();
}

absl::StatusOr<int> SqliteJobStore::Purge(absl::Time ended_before) {
  const absl::Status status = SqliteStatement(database_.get(), "DELETE FROM jobs WHERE ended_ms < ?")
                                  .Int(absl::ToUnixMillis(ended_before))
                                  .Run();
  if (!status.ok()) return status;
  return sqlite3_changes(database_.get());
}

}  // namespace mind::server
