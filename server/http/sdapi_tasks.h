// What A1111's API remembers between calls: the options of each caller, and the calls under way.
//
// All on the server's loop; not thread-safe. Nothing of it outlives the process.
#ifndef MIND_SERVER_HTTP_SDAPI_TASKS_H_
#define MIND_SERVER_HTTP_SDAPI_TASKS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "nlohmann/json.hpp"
#include "server/generation/job_feed.h"

namespace mind::server {

// A call of txt2img or img2img, from its beginning to its answer.
struct SdapiTask {
  std::string tenant;
  std::string id;       // its force_task_id, or empty
  uint64_t number = 0;  // rises
  std::string job_id;   // empty until the job is accepted
  v1::ImageSpec spec;   // as accepted
  absl::Time begun;
  std::map<uint32_t, uint32_t> steps;  // taken, by picture
  std::optional<absl::Duration> remaining;
  JobEventPtr preview;  // the newest; null: none yet
  bool interrupted = false;
  bool skipped = false;

  // What an event of the job says.
  void Take(const JobEventPtr& event);
  double progress() const;  // 0 to 1
};
using SdapiTaskPtr = std::shared_ptr<SdapiTask>;

// Of a caller's requests that say nothing themselves.
struct SdapiOptions {
  std::string model;  // empty: the server's own
  std::string vae;    // empty: the model's own
  std::optional<uint32_t> clip_skip;
};

class SdapiTasks {
 public:
  SdapiTaskPtr Begin(const std::string& tenant, const std::string& id, absl::Time now);
  void End(const SdapiTaskPtr& task);
  // The one of this id, or the newest where none is given; null if none is under way.
  SdapiTaskPtr Find(const std::string& tenant, const std::string& id) const;
  // Whether one of this id has ended, as far as that is remembered.
  bool HasEnded(const std::string& tenant, const std::string& id) const;

  SdapiOptions OptionsOf(const std::string& tenant) const;
  void SetOptions(const std::string& tenant, const SdapiOptions& options);

 private:
  using Newest = std::map<uint64_t, SdapiTaskPtr, std::greater<>>;  // by number

  uint64_t last_ = 0;
  std::map<std::string, Newest> tasks_;                          // by tenant
  std::map<std::pair<std::string, std::string>, Newest> named_;  // of them those with an id: tenant and id
  std::deque<std::pair<std::string, std::string>> ended_;        // tenant and id, the newest first
  std::map<std::string, SdapiOptions> options_;                  // by tenant
  std::deque<std::string> set_;                                  // whose options are kept, the oldest first
};

// The answer to /sdapi/v1/progress but for current_image; null: nothing is under way.
nlohmann::json ProgressOf(const SdapiTask* task, absl::Time now);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_TASKS_H_
