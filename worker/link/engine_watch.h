// Notices that the engine hangs.
#ifndef MIND_WORKER_LINK_ENGINE_WATCH_H_
#define MIND_WORKER_LINK_ENGINE_WATCH_H_

#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mind {

// Asks now and then, on a thread of its own, and tells once.
class EngineWatch {
 public:
  struct Options {
    absl::Duration period = absl::Seconds(1);
    std::function<bool()> hangs;
    std::function<void()> tell;
  };

  explicit EngineWatch(Options options) : options_(std::move(options)), thread_([this] { Watch(); }) {}
  ~EngineWatch() {
    {
      const absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

 private:
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.period)) {
      if (options_.hangs()) return options_.tell();
    }
  }

  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_ENGINE_WATCH_H_
