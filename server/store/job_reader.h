// What a job store can be asked, whoever writes to it.
//
// Nobody waits for it: what it has to say comes by callback, from a thread of the store's own or before the
// call returns, so that a callback does no more than pass on what it was told.
#ifndef MIND_SERVER_STORE_JOB_READER_H_
#define MIND_SERVER_STORE_JOB_READER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/model.pb.h"

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

// What has been used, by jobs that ended in [from, to).
struct UsageQuery {
  absl::Time from = absl::InfinitePast(), to = absl::InfiniteFuture();
  std::string tenant = {};  // empty: all
  int limit = 0;            // rows
};
// How long that is known, however long the jobs are.
inline constexpr absl::Duration kUsageKept = absl::Hours(24 * 400);

template <typename T>
using StoreDone = std::function<void(absl::StatusOr<T>)>;

// Answers from what was committed before it was asked, or later. Asked from one thread; a server that does
// not decide about jobs may ask as well.
//
// Errors: UNAVAILABLE (I/O, the database is away: ask again), DATA_LOSS (what is there cannot be read),
// INTERNAL; all with ErrorInfo.
class JobReader {
 public:
  template <typename T>
  using Done = StoreDone<T>;

  virtual ~JobReader() = default;

  // A tenant's job. Another's is none, by the row's columns alone: nothing that lies in it is read or parsed.
  virtual void Find(const std::string& tenant, const std::string& id,
                    Done<std::optional<StoredJob>> done) = 0;
  virtual void FindRequest(const std::string& tenant, const std::string& request_id,
                           Done<std::optional<EarlierRequest>> done) = 0;
  virtual void List(const JobQuery& query, Done<std::vector<StoredJob>> done) = 0;
  virtual void FindImage(const std::string& job_id, uint32_t index,
                         Done<std::optional<StoredImage>> done) = 0;
  // By UTC day, tenant, key and model.
  virtual void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) = 0;
  // All that workers have ever offered, by name.
  virtual void Models(Done<std::vector<v1::Model>> done) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_JOB_READER_H_
