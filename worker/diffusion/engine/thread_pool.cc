#include "worker/diffusion/engine/thread_pool.h"

#include <ATen/ATen.h>

namespace mind::diffusion {

ThreadPool::ThreadPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

void ThreadPool::Close() {
  {
    const MutexLock lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::Post(int64_t priority, std::function<void()> work) {
  {
    const MutexLock lock(mutex_);
    queue_.emplace(priority, std::move(work));
  }
  arrived_.notify_one();
}

std::function<void()> ThreadPool::Next() {
  const MutexLock lock(mutex_);
  while (queue_.empty()) {
    if (closing_) return nullptr;
    arrived_.wait(mutex_);
  }
  return std::move(queue_.extract(queue_.begin()).mapped());
}

void ThreadPool::Run() {
  const c10::InferenceMode inference;
  while (std::function<void()> work = Next()) work();
}

}  // namespace mind::diffusion
