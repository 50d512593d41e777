// For how long the step thread has been at what it is at.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_STEP_CLOCK_H_
#define MIND_WORKER_DIFFUSION_ENGINE_STEP_CLOCK_H_

#include <algorithm>
#include <atomic>
#include <chrono>

namespace mind::diffusion {

// Written by the step thread, read by any: where the device hangs, the age grows without end.
class StepClock {
 public:
  using Clock = std::chrono::steady_clock;

  // There are steps to take: from now on, or since the last was finished.
  void Busy(Clock::time_point now) { since_ = now.time_since_epoch().count(); }
  void Idle() { since_ = kIdle; }

  // Since the last Busy; 0 if idle.
  std::chrono::milliseconds Age(Clock::time_point now) const {
    const Clock::rep since = since_;
    if (since == kIdle) return std::chrono::milliseconds(0);
    const Clock::duration age = now.time_since_epoch() - Clock::duration(since);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::max(age, Clock::duration(0)));
  }

 private:
  static constexpr Clock::rep kIdle = 0;
  std::atomic<Clock::rep> since_ = kIdle;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_CLOCK_H_
