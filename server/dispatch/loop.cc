#include "server/dispatch/loop.h"

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace mind::server {

Loop::Loop(absl::Duration tick_interval, std::function<void()> on_tick)
    : tick_interval_(tick_interval), on_tick_(std::move(on_tick)), thread_([this] { Main(); }) {}

Loop::~Loop() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  thread_.join();
}

void Loop::Post(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(work));
}

void Loop::Run(const std::function<void()>& work) {
  absl::Notification done;
  Post([&] {
    work();
    done.Notify();
  });
  done.WaitForNotification();
}

void Loop::Main() {
  const auto something_to_do = [this]()
                                   ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || !queue_.empty(); };
  absl::Time next_tick = absl::Now() + tick_interval_;
  for (;;) {
    std::deque<std::function<void()>> batch;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(&something_to_do), next_tick);
      if (closing_ && queue_.empty()) return;
      batch.swap(queue_);
    }
    for (std::function<void()>& work : batch) {
      work();
      work = nullptr;
    }
    if (absl::Now() >= next_tick) {
      on_tick_();
      next_tick = absl::Now() + tick_interval_;
    }
  }
}

}  // namespace mind::server
