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
};

// A request_id and the request it was used with.
struct RequestKey {
  std::string tenant;
  std::string request_id;  // empty: the job has none
  std::string fingerprint;
};

// Owned by the server's loop and called on its thread alone. Every call that changes something has reached
// the disk when it returns OK.
class JobStore {
 public:
  virtual ~JobStore() = default;

  virtual absl::Status Insert(const v1::Job& job, const RequestKey& key) = 0;
  virtual absl::Status Update(const v1::Job& job) = 0;
  virtual absl::StatusOr<std::optional<v1::Job>> Find(const std::string& id) = 0;
  // The job created with this request_id by this tenant, and the fingerprint it was created with.
  struct Earlier {
    std::string job_id, fingerprint;
  };
  virtual absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                             const std::string& request_id) = 0;
  // A tenant's jobs, newest first, optionally in one state, starting after `after_id` (empty: from the
  // newest).
  virtual absl::StatusOr<std::vector<v1::Job>> List(const std::string& tenant,
                                                    std::optional<v1::JobState> state,
                                                    const std::string& after_id, int limit) = 0;
  // Jobs that have not ended, in order of creation.
  virtual absl::StatusOr<std::vector<v1::Job>> Unfinished() = 0;

  virtual absl::Status InsertImage(const std::string& job_id, const StoredImage& image) = 0;
  virtual absl::StatusOr<std::vector<uint32_t>> ImageIndices(const std::string& job_id) = 0;
  virtual absl::StatusOr<std::optional<StoredImage>> FindImage(const std::string& job_id, uint32_t index) = 0;

  virtual absl::Status SaveModel(const v1::Model& model) = 0;
  virtual absl::StatusOr<std::vector<v1::Model>> Models() = 0;

  // Counts how often this store has been opened; event sequences of a later opening are above those of an
  // earlier.
  virtual uint64_t epoch() const = 0;
  // Forgets jobs that ended before this time, with their pictures. Returns how many.
  virtual absl::StatusOr<int> Purge(absl::Time ended_before) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_JOB_STORE_H_
