#include "server/store/sqlite_writer.h"

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"

namespace mind::server {

absl::Status SqliteWriter::Commit(const StoreBatch& batch) {
  return connection_.Together([&] {
    for (const StoreWrite& write : batch) {
      absl::Status status = std::visit([this](const auto& one) { return Do(one); }, write);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteWriter::Do(const InsertJob& write) {
  if (!write.key.replaces.empty()) {
    const absl::Status given_up = Sql("UPDATE jobs SET request_id = NULL, fingerprint = NULL WHERE id = ?")
                                      .Text(write.key.replaces)
                                      .Run();
    if (!given_up.ok()) return given_up;
  }
  const std::string job = write.job.SerializeAsString();
  SqliteStatement insert =
      Sql("INSERT INTO jobs(id, tenant, state, job, tied, request_id, fingerprint) "
          "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING");
  insert.Text(write.job.id())
      .Text(write.job.tenant())
      .Int(write.job.state())
      .Blob(job)
      .Int(write.tied ? 1 : 0);
  if (write.key.request_id.empty()) {
    insert.Null().Null();
  } else {
    insert.Text(write.key.request_id).Blob(write.key.fingerprint);
  }
  return insert.Run();
}

absl::Status SqliteWriter::Do(const UpdateJob& write) {
  return Sql("UPDATE jobs SET state = ?, job = ? WHERE id = ? AND ended_ms IS NULL")
      .Int(write.job.state())
      .Blob(write.job.SerializeAsString())
      .Text(write.job.id())
      .Run();
}

absl::Status SqliteWriter::Do(const EndJob& write) {
  return Sql("UPDATE jobs SET state = ?, job = ?, ended_ms = ?, end_sequence = ? WHERE id = ?")
      .Int(write.job.state())
      .Blob(write.job.SerializeAsString())
      .Int(absl::ToUnixMillis(FromTimestamp(write.job.end_time())))
      .Int(static_cast<int64_t>(write.sequence))
      .Text(write.job.id())
      .Run();
}

absl::Status SqliteWriter::Do(const UntieJob& write) {
  return Sql("UPDATE jobs SET tied = 0 WHERE id = ?").Text(write.id).Run();
}

absl::Status SqliteWriter::Do(const ForgetJob& write) {
  return Sql("DELETE FROM jobs WHERE id = ?").Text(write.id).Run();
}

absl::Status SqliteWriter::Do(const AddImage& write) {
  // Of a job that is there: another would make the batch fail for ever.
  return Sql("INSERT OR IGNORE INTO images(job_id, image_index, seed, media_type, data, sequence) "
             "SELECT id, ?, ?, ?, ?, ? FROM jobs WHERE id = ?")
      .Int(write.index)
      .Int(static_cast<int64_t>(write.seed))
      .Text(write.media_type)
      .Blob(*write.data)
      .Int(static_cast<int64_t>(write.sequence))
      .Text(write.job_id)
      .Run();
}

absl::Status SqliteWriter::Do(const SaveModel& write) {
  return Sql("INSERT OR REPLACE INTO models VALUES(?, ?)")
      .Text(write.model.name())
      .Blob(write.model.SerializeAsString())
      .Run();
}

absl::StatusOr<int> SqliteWriter::Purge(absl::Time ended_before, int limit) {
  const absl::Status status =
      Sql("DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE ended_ms < ? LIMIT ?)")
          .Int(absl::ToUnixMillis(ended_before))
          .Int(limit)
          .Run();
  if (!status.ok()) return status;
  return sqlite3_changes(connection_.get());
}

v1::Job DamagedJob(const DamagedRow& row) {
  v1::Job job;
  job.set_id(row.id);
  job.set_tenant(row.tenant);
  job.set_state(v1::JOB_STATE_FAILED);
  *job.mutable_create_time() = *job.mutable_end_time() = ToTimestamp(absl::Now());
  *job.mutable_error() = ToProto(MakeError(
      absl::StatusCode::kDataLoss, "the server's record of this job cannot be read", "STORE_DAMAGED"));
  return job;
}

uint64_t DamagedEndSequence(uint64_t epoch) {
  return (epoch + 1) << 40;
}

void SqliteWriter::SetAside(const DamagedRow& row) {
  const absl::Status done = connection_.Together([&]() -> absl::Status {
    const absl::Status kept =
        Sql("INSERT OR IGNORE INTO damaged SELECT number, id, job FROM jobs WHERE number = ?")
            .Int(static_cast<int64_t>(row.number))
            .Run();
    return kept.ok() ? Do(EndJob{DamagedJob(row), DamagedEndSequence(epoch_)}) : kept;
  });
  LogError("a job's row cannot be read and is set aside",
           {{"job", Printable(row.id)}, {"set_aside", done.ok() ? "yes" : std::string(done.message())}});
}

}  // namespace mind::server
