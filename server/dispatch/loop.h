// The one thread on which the server's state lives.
#ifndef MIND_SERVER_DISPATCH_LOOP_H_
#define MIND_SERVER_DISPATCH_LOOP_H_

#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mind::server {

// Runs posted functions one after the other, and a tick in between at a fixed interval. What only runs here
// needs no lock. Thread-safe.
class Loop {
 public:
  Loop(absl::Duration tick_interval, std::function<void()> on_tick);
  // Runs what was posted before, then joins.
  ~Loop();

  void Post(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

  // Posts and waits for it to have run. REQUIRES: not called from the loop itself.
  void Run(const std::function<void()>& work);

 private:
  void Main();

  const absl::Duration tick_interval_;
  const std::function<void()> on_tick_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_LOOP_H_
