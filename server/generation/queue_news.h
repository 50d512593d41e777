// Where jobs that wait have got to, for those who watch them.
#ifndef MIND_SERVER_GENERATION_QUEUE_NEWS_H_
#define MIND_SERVER_GENERATION_QUEUE_NEWS_H_

#include <string>

#include "absl/time/time.h"
#include "server/generation/service_state.h"

namespace mind::server {

// Goes round the watched jobs, some at every tick, and tells of those whose place or time has changed: each
// about once a second, or as often as so many allow. Each costs what the queue's sums cost, O(log jobs).
//
// All on the server's loop; not thread-safe.
class QueueNews {
 public:
  // `state` must outlive it.
  explicit QueueNews(ServiceState& state) : state_(state) {}

  void OnTick();

 private:
  void Tell(const std::string& id);

  ServiceState& state_;
  std::string last_;  // the job that was looked at last; empty: a round begins
  absl::Time next_round_ = absl::InfinitePast();
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_QUEUE_NEWS_H_
