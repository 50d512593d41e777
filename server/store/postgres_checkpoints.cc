#include "server/store/postgres_checkpoints.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "proto/support/logging.h"

namespace mind::server {
namespace {

// Read at a time: states are large.
constexpr int kCheckpointsAPage = 20;

}  // namespace

void PostgresCheckpoints::Save(std::vector<StoredCheckpoint> checkpoints,
                               std::function<void(absl::Status)> done) {
  thread_.Post(
      [this, checkpoints = std::move(checkpoints), done = std::move(done)] { done(Write(checkpoints)); });
}

absl::Status PostgresCheckpoints::Write(const std::vector<StoredCheckpoint>& checkpoints) {
  // What is sent together is one transaction.
  std::vector<PostgresCall> calls;
  for (const StoredCheckpoint& one : checkpoints) {
    calls.push_back(
        PostgresCall(
            "INSERT INTO checkpoints(job_id, image_index, attempt, step, revision, data) "
            "SELECT id, $2, $3, $4, $5, $6 FROM jobs, term WHERE id = $1 AND ended_ms IS NULL AND term = $7 "
            "ON CONFLICT(job_id, image_index) DO UPDATE SET attempt = excluded.attempt, step = "
            "excluded.step, revision = excluded.revision, data = excluded.data")
            .Text(one.job_id)
            .Int(one.image_index)
            .Int(one.attempt)
            .Int(one.step)
            .Bytes(one.revision)
            .Bytes(*one.data)
            .Int(static_cast<int64_t>(term_)));
  }
  return connection_.Run(calls).status();
}

void PostgresCheckpoints::Forget(std::vector<std::string> job_ids) {
  thread_.Post([this, job_ids = std::move(job_ids)] {
    const auto forgotten = connection_.Run(
        {PostgresCall("DELETE FROM checkpoints WHERE job_id = ANY($1::text[])").Texts(job_ids)});
    // The next start does it.
    if (!forgotten.ok()) {
      LogWarning("cannot forget states of pictures", {{"error", std::string(forgotten.status().message())}});
    }
  });
}

absl::Status PostgresCheckpoints::ForEach(const std::function<void(StoredCheckpoint)>& take) {
  absl::Status status;
  absl::Notification read;
  thread_.Post([&] {
    status = Read(take);
    read.Notify();
  });
  read.WaitForNotification();
  return status;
}

absl::Status PostgresCheckpoints::Read(const std::function<void(StoredCheckpoint)>& take) {
  const auto forgotten =
      connection_.Run({PostgresCall("DELETE FROM checkpoints WHERE NOT EXISTS("
                                    "SELECT FROM jobs WHERE id = job_id AND ended_ms IS NULL)")});
  if (!forgotten.ok()) return forgotten.status();
  // Where the page before has ended.
  std::string job;
  int64_t attempt = 0, image = 0;
  for (bool more = true; more;) {
    const auto found = connection_.Run(
        {PostgresCall("SELECT job_id, image_index, attempt, step, revision, data FROM checkpoints "
                      "WHERE (job_id, -attempt, image_index) > ($1, $2, $3) ORDER BY job_id, -attempt, "
                      "image_index LIMIT $4")
             .Text(job)
             .Int(-attempt)
             .Int(image)
             .Int(kCheckpointsAPage)});
    if (!found.ok()) return found.status();
    const PostgresRows& rows = found->front();
    for (int row = 0; row < rows.size(); ++row) {
      job = rows.Text(row, 0);
      image = rows.Integer(row, 1);
      attempt = rows.Integer(row, 2);
      take({.job_id = job,
            .image_index = static_cast<uint32_t>(image),
            .attempt = static_cast<uint32_t>(attempt),
            .step = static_cast<uint32_t>(rows.Integer(row, 3)),
            .revision = rows.Text(row, 4),
            .data = std::make_shared<const std::string>(rows.Bytes(row, 5))});
    }
    more = rows.size() == kCheckpointsAPage;
  }
  return absl::OkStatus();
}

}  // namespace mind::server
