// Sees to it that a worker's models are looked at again: now and then, and when the process is told to.
#ifndef MIND_WORKER_LINK_MODEL_WATCH_H_
#define MIND_WORKER_LINK_MODEL_WATCH_H_

#include <atomic>
#include <functional>
#include <thread>

#include "absl/time/time.h"

namespace mind {

// On a thread of its own, from construction to destruction.
class ModelWatch {
 public:
  // From now on SIGHUP no longer ends the process but is held for whoever watches. Call before any thread is
  // started: they inherit it.
  static void HoldHangups();

  struct Options {
    absl::Duration every = absl::Seconds(5);  // zero: only upon SIGHUP
    // After a look that found something that may be changing still.
    absl::Duration settle = absl::Seconds(1);
    // Looks once; whether it is to look again so soon.
    std::function<bool()> look;
  };
  // REQUIRES: HoldHangups has been called.
  explicit ModelWatch(Options options);
  ~ModelWatch();
  ModelWatch(const ModelWatch&) = delete;
  ModelWatch& operator=(const ModelWatch&) = delete;

 private:
  void Watch();

  const Options options_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_MODEL_WATCH_H_
