#include "server/dispatch/loop.h"

#include "absl/synchronization/notification.h"

namespace mind::server {

void Loop::Start(std::function<void()> on_tick, std::function<void(absl::Duration)> on_held) {
  on_tick_ = std::move(on_tick);
  on_held_ = std::move(on_held);
  thread_ = std::thread([this] { Main(); });
}

void Loop::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  something_to_do_.notify_one();
  thread_.join();
}

void Loop::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  something_to_do_.notify_one();
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
  absl::Duration next_tick = clock_() + tick_interval_;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto wake = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(next_tick - clock_());
      something_to_do_.wait_until(lock, wake, [this] { return closing_ || !queue_.empty(); });
      if (closing_ && queue_.empty()) return;
    }
    RunBatch();
    if (clock_() < next_tick) continue;
    // The tick judges silence: first hears what was said while the batch ran.
    RunBatch();
    Hold(on_tick_);
    // A late tick is not made up for.
    next_tick = clock_() + tick_interval_;
  }
}

void Loop::RunBatch() {
  std::deque<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(queue_);
  }
  for (std::function<void()>& work : batch) {
    Hold(work);
    work = nullptr;
  }
}

void Loop::Hold(const std::function<void()>& work) {
  if (!on_held_) return work();
  const absl::Duration began = clock_();
  work();
  on_held_(clock_() - began);
}

}  // namespace mind::server
