#include "worker/diffusion/engine/step_clock.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

using std::chrono::milliseconds;

TEST(StepClock, AgesFromTheLastStepAndOnlyWhileThereAreSome) {
  const StepClock::Clock::time_point start{std::chrono::hours(1)};
  StepClock clock;
  EXPECT_EQ(clock.Age(start), milliseconds(0));
  clock.Busy(start);
  EXPECT_EQ(clock.Age(start + milliseconds(70)), milliseconds(70));
  clock.Busy(start + milliseconds(100));
  EXPECT_EQ(clock.Age(start + milliseconds(130)), milliseconds(30));
  EXPECT_EQ(clock.Age(start), milliseconds(0));  // read just before
  clock.Idle();
  EXPECT_EQ(clock.Age(start + std::chrono::hours(1)), milliseconds(0));
}

}  // namespace
}  // namespace mind::diffusion
