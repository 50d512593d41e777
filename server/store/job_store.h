// What must survive a crash: jobs, their finished pictures, and the models workers have offered.
#ifndef MIND_SERVER_STORE_JOB_STORE_H_
#define MIND_SERVER_STORE_JOB_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

struct StoredImage {
  uint32_t index = 0;
  uint64_t seed = 0;
  std::string media_type;
  std::string data;
  uint64_t sequence = 0;  // of the event that tells of it
};

// A job as the store has it.
struct StoredJob {
  v1::Job job;
  uint64_t number = 0;        // rises in order of insertion
  bool tied = false;          // it lives only as long as a call wants it
  uint64_t end_sequence = 0;  // of the event that tells of its end; 0 before
};

// A request_id and the request it was used with.
struct RequestKey {
  std::string tenant;
  std::string request_id;  // empty: the job has none
  std::string fingerprint;
  std::string replaces;  // the job that has this request_id and gives it up; empty: none
};

// Owned by the server's loop and called on its thread alone. Every call that changes something has reached
// the disk when it returns OK, and has changed nothing when it does not.
//
// Errors: UNAVAILABLE (full disk, I/O: try again), DATA_LOSS (the file is damaged), INTERNAL; all with
// ErrorInfo.
class JobStore {
 public:
  virtual ~JobStore() = default;

  virtual absl::Status Insert(const v1::Job& job, const RequestKey& key, bool tied) = 0;
  // A job that has not ended.
  virtual absl::Status Update(const v1::Job& job) = 0;
  // A job that has.
  virtual absl::Status End(const v1::Job& job, uint64_t sequence) = 0;
  // From now on the job lives by itself.
  virtual absl::Status Untie(const std::string& id) = 0;
  virtual absl::StatusOr<std::optional<StoredJob>> Find(const std::string& id) = 0;
  // The job created with this request_id by this tenant, and the fingerprint it was created with.
  struct Earlier {
    std::string job_id, fingerprint;
  };
  virtual absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                             const std::string& request_id) = 0;
  // A tenant's jobs, newest first, in one of these states (empty: in any), with numbers below `before`.
  virtual absl::StatusOr<std::vector<StoredJob>> List(const std::string& tenant,
                                                      const std::vector<v1::JobState>& states,
                                                      uint64_t before, int limit) = 0;
  // Jobs that have not ended, in order of creation.
  virtual absl::StatusOr<std::vector<StoredJob>> Unfinished() = 0;

  // A picture that is there already is left as it is.
  virtual absl::Status InsertImage(const std::string& job_id, const StoredImage& image) = 0;
  struct ImageMark {
    uint32_t index = 0;
    uint64_t sequence = 0;
  };
  // A job's pictures, by index.
  virtual absl::StatusOr<std::vector<ImageMark>> Images(const std::string& job_id) = 0;
  virtual absl::StatusOr<std::optional<StoredImage>> FindImage(const std::string& job_id, uint32_t index) = 0;

  // All of them or none.
  virtual absl::Status SaveModels(const std::vector<v1::Model>& models) = 0;
  virtual absl::StatusOr<std::vector<v1::Model>> Models() = 0;

  // Writes something small: whether writing works.
  virtual absl::Status Probe() = 0;
  // Counts how often this store has been opened; event sequences of a later opening are above those of an
  // earlier.
  virtual uint64_t epoch() const = 0;
  // Forgets jobs that ended before this time, with their pictures. Returns how many.
  virtual absl::StatusOr<int> Purge(absl::Time ended_before) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_JOB_STORE_H_
