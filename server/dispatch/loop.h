// The one thread on which the server's state lives.
#ifndef MIND_SERVER_DISPATCH_LOOP_H_
#define MIND_SERVER_DISPATCH_LOOP_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "server/dispatch/moment.h"

namespace mind::server {

// Runs posted functions one after the other, and a tick in between at a fixed interval, by a clock that never
// jumps. What only runs here needs no lock. Thread-safe.
//
// Takes posts as long as it lives and runs them while it is started, so that whatever posts may outlive what
// it posts to.
class Loop {
 public:
  // `clock` tells the time ticks are due by; it may be called from any thread.
  explicit Loop(absl::Duration tick_interval, std::function<absl::Duration()> clock = SteadyNow)
      : tick_interval_(tick_interval), clock_(std::move(clock)) {}
  ~Loop() { Stop(); }

  // Once. `on_held`, if given, hears on the loop how long each thing that was posted, and each tick, has held
  // it.
  void Start(std::function<void()> on_tick, std::function<void(absl::Duration)> on_held = nullptr);
  // Runs what was posted before, then joins; nothing is run any more.
  void Stop();

  void Post(std::function<void()> work);

  // Posts and waits for it to have run. REQUIRES: started; not called from the loop itself.
  void Run(const std::function<void()>& work);

 private:
  void Main();
  // Runs what has been posted so far, and no more.
  void RunBatch();
  void Hold(const std::function<void()>& work);

  const absl::Duration tick_interval_;
  const std::function<absl::Duration()> clock_;
  // Set by Start.
  std::function<void()> on_tick_;
  std::function<void(absl::Duration)> on_held_;
  // The standard library's, because it can wait by the steady clock; Abseil's waits by the wall clock, which
  // would put off the tick by as much as somebody sets that back.
  std::mutex mutex_;
  std::condition_variable something_to_do_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool closing_ = false;                     // guarded by mutex_
  std::thread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_LOOP_H_
