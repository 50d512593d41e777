#include "worker/diffusion/engine/thread_pool.h"

#include <ATen/ATen.h>

namespace mind::diffusion {

ThreadPool::ThreadPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

void ThreadPool::Close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::Post(int64_t priority, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace(priority, std::move(work));
  }
  arrived_.notify_one();
}

void ThreadPool::Run() {
  const c10::InferenceMode inference;
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.extract(queue_.begin()).mapped());
    lock.unlock();
    work();
    work = nullptr;  // what it holds is released before, not while, the next is awaited
    lock.lock();
  }
}

}  // namespace mind::diffusion
