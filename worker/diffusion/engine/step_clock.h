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
  // What the step that begins should take, in seconds; 0: nobody knows.
  void Expect(double seconds) { expected_ = seconds; }

  // Since the last Busy; 0 if idle.
  std::chrono::milliseconds Age(Clock::time_point now) const {
    const Clock::rep since = since_;
    if (since == kIdle) return std::chrono::milliseconds(0);
    const Clock::duration age = now.time_since_epoch() - Clock::duration(since);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::max(age, Clock::duration(0)));
  }
  // Whether the step under way takes longer than `limit` and than twenty times what it should; where nobody
  // knows what that is, longer than six times the limit.
  bool Hangs(Clock::time_point now, std::chrono::milliseconds limit) const {
    const double age = static_cast<double>(Age(now).count()), least = static_cast<double>(limit.count());
    const double expected = expected_;
    return age > (expected > 0 ? std::max(least, kTimes * 1e3 * expected) : kUnknownTimes * least);
  }

 private:
  static constexpr Clock::rep kIdle = 0;
  static constexpr double kTimes = 20, kUnknownTimes = 6;
  std::atomic<Clock::rep> since_ = kIdle;
  std::atomic<double> expected_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_STEP_CLOCK_H_
