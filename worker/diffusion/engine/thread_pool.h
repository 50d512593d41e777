// A few threads that run functions in order of arrival, under inference mode.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_
#define MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mind::diffusion {

// Thread-safe. The destructor runs what was posted before it, then joins.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();

  // `work` must not throw.
  void Post(std::function<void()> work);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool closing_ = false;                     // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_THREAD_POOL_H_
