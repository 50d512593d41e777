#include "server/store/task_thread.h"

#include <utility>

namespace mind::server {

TaskThread::~TaskThread() {
  {
    const absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  thread_.join();
}

void TaskThread::Post(std::function<void()> task) {
  const absl::MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
}

void TaskThread::Main() {
  for (;;) {
    std::function<void()> task;
    {
      const absl::MutexLock lock(&mutex_, absl::Condition(this, &TaskThread::Awake));
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace mind::server
