// A few threads that run functions, those of higher priority first, else in order of arrival, under inference
// mode.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_
#define MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// Thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool() { Close(); }

  // `work` must not throw. REQUIRES: not closed.
  void Post(int64_t priority, std::function<void()> work);
  // Runs what was posted before it, then joins.
  void Close();

 private:
  void Run();
  // Waits for it; null when the pool has closed and nothing is left.
  std::function<void()> Next();

  Mutex mutex_;
  std::condition_variable_any arrived_;
  // By priority, the highest first; those of one in order of arrival.
  std::multimap<int64_t, std::function<void()>, std::greater<>> queue_ MIND_GUARDED_BY(mutex_);
  bool closing_ MIND_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_
