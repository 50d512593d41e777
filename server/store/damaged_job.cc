#include "server/store/damaged_job.h"

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {

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

StoredJob ParseStoredJob(StoredJob stored, std::string_view bytes, const DamagedRow& row, uint64_t epoch,
                         const SetAside& set_aside) {
  const bool whole = stored.job.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (whole && stored.job.id() == row.id) return stored;
  set_aside(row);
  stored.job = DamagedJob(row);
  stored.end_sequence = DamagedEndSequence(epoch);
  return stored;
}

}  // namespace mind::server
