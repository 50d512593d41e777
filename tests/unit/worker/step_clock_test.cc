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

TEST(StepClock, AStepHangsThatTakesMuchLongerThanItShould) {
  const StepClock::Clock::time_point start{std::chrono::hours(1)};
  const milliseconds limit(1000);
  StepClock clock;
  EXPECT_FALSE(clock.Hangs(start + std::chrono::hours(9), limit));  // there is none
  clock.Busy(start);
  // Never measured.
  EXPECT_FALSE(clock.Hangs(start + milliseconds(6000), limit));
  EXPECT_TRUE(clock.Hangs(start + milliseconds(6001), limit));
  clock.Expect(0.01);
  EXPECT_FALSE(clock.Hangs(start + milliseconds(1000), limit));
  EXPECT_TRUE(clock.Hangs(start + milliseconds(1001), limit));
  clock.Expect(2);
  EXPECT_FALSE(clock.Hangs(start + milliseconds(40000), limit));
  EXPECT_TRUE(clock.Hangs(start + milliseconds(40001), limit));
}

}  // namespace
}  // namespace mind::diffusion
