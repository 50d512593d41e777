// A thread that does one thing after the other.
#ifndef MIND_SERVER_STORE_TASK_THREAD_H_
#define MIND_SERVER_STORE_TASK_THREAD_H_

#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mind::server {

// Thread-safe.
class TaskThread {
 public:
  TaskThread() : thread_([this] { Main(); }) {}
  // Does what it was given before, then joins.
  ~TaskThread();

  void Post(std::function<void()> task);

 private:
  void Main();
  bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closing_ || !tasks_.empty(); }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_TASK_THREAD_H_
