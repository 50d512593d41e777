// What must survive a crash: jobs, their finished pictures, and the models workers have offered.
//
// The store is a log that is committed in batches, and a few questions about what is in it. Nobody waits for
// it: what it has to say comes by callback, from a thread of the store's own or before the call returns, so
// that a callback does no more than pass on what it was told.
#ifndef MIND_SERVER_STORE_JOB_STORE_H_
#define MIND_SERVER_STORE_JOB_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/model.pb.h"
#include "server/store/source_pictures.h"
#include "server/store/store_batch.h"

namespace mind::server {

struct StoredImage {
  uint64_t seed = 0;
  std::string media_type;
  std::string data;
};

// That a picture is there, without its bytes.
struct ImageMark {
  uint32_t index = 0;
  uint64_t sequence = 0;  // of the event that tells of it
};

// A job as the store has it.
struct StoredJob {
  v1::Job job;
  uint64_t number = 0;            // rises in order of insertion
  bool tied = false;              // it lives only as long as a call wants it
  uint64_t end_sequence = 0;      // of the event that tells of its end; 0 before
  std::vector<ImageMark> images;  // by index; not in lists
};

// The job created with a request_id, and the fingerprint it was created with.
struct EarlierRequest {
  StoredJob stored;
  std::string fingerprint;
};

// A page of a tenant's jobs, newest first.
struct JobQuery {
  std::string tenant;
  std::vector<v1::JobState> states;  // empty: any
  uint64_t before = 0;               // only numbers below this
  int limit = 0;
  std::map<std::string, std::string> labels = {};  // that it has, all of them
};

// Called from one thread, the server's loop.
//
// Errors: UNAVAILABLE (full disk, I/O: try again; a batch may or may not have been committed), DATA_LOSS (the
// file is damaged), INTERNAL; all with ErrorInfo.
class JobStore {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  virtual ~JobStore() = default;

  // --- The log. Jobs hold no pictures but their hashes.

  // All of it or nothing; OK when it has reached the disk. Batches are committed in the order they are given.
  virtual void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) = 0;
  // Forgets at most `limit` jobs that ended before this time, with their pictures. Tells how many.
  virtual void Purge(absl::Time ended_before, int limit, Done<int> done) = 0;

  // --- Questions, answered from what was committed before they were asked, or later.

  virtual void Find(const std::string& id, Done<std::optional<StoredJob>> done) = 0;
  virtual void FindRequest(const std::string& tenant, const std::string& request_id,
                           Done<std::optional<EarlierRequest>> done) = 0;
  virtual void List(const JobQuery& query, Done<std::vector<StoredJob>> done) = 0;
  // The pictures that the job's spec names. DATA_LOSS: one is no longer there.
  virtual void FindSources(const std::string& job_id, Done<PictureBytes> done) = 0;
  virtual void FindImage(const std::string& job_id, uint32_t index,
                         Done<std::optional<StoredImage>> done) = 0;

  // --- At the start: these wait for the disk.

  // Gives each job that has not ended, in order of creation.
  virtual absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) = 0;
  virtual absl::StatusOr<std::vector<v1::Model>> Models() = 0;
  // Gives each job that has ended and whose webhook has not been settled since (SettleWebhook).
  virtual absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) = 0;
  // What AddSecret has kept for this purpose, newest first.
  virtual absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) = 0;
  // Counts how often this store has been opened; event sequences of a later opening are above those of an
  // earlier.
  virtual uint64_t epoch() const = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_JOB_STORE_H_
