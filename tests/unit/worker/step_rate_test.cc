#include "worker/link/step_rate.h"

#include <gtest/gtest.h>

namespace mind {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr StepRate::Time kStart{};

TEST(StepRate, NothingHasBeenTaken) {
  const StepRate rate;
  EXPECT_EQ(rate.At(kStart).steps_per_second, 0);
  EXPECT_EQ(rate.At(kStart).batch_rows, 0);
}

TEST(StepRate, AnEvenPaceIsSaidAsItIs) {
  StepRate rate;
  StepRate::Time now = kStart;
  for (int i = 0; i < 600; ++i) rate.Note(/*trajectories=*/3, /*rows=*/6, now += milliseconds(100));
  EXPECT_NEAR(rate.At(now).steps_per_second, 30, 1);
  EXPECT_NEAR(rate.At(now).batch_rows, 6, 1e-9);
}

TEST(StepRate, BatchesAreAsFullAsTheyWereOfLate) {
  StepRate rate;
  StepRate::Time now = kStart;
  for (int i = 0; i < 300; ++i) rate.Note(1, 2, now += milliseconds(100));
  for (int i = 0; i < 300; ++i) rate.Note(8, 16, now += milliseconds(100));
  EXPECT_NEAR(rate.At(now).batch_rows, 16, 0.1);
}

TEST(StepRate, WhatIsLongPastIsForgotten) {
  StepRate rate;
  rate.Note(4, 8, kStart);
  EXPECT_GT(rate.At(kStart + seconds(5)).steps_per_second, 0);
  EXPECT_EQ(rate.At(kStart + seconds(60)).steps_per_second, 0);
  EXPECT_EQ(rate.At(kStart + seconds(60)).batch_rows, 0);
}

TEST(StepRate, ABatchOfBeforeTheLastIsNoBatchOfTheFuture) {
  StepRate rate;
  rate.Note(1, 2, kStart + seconds(1));
  EXPECT_NEAR(rate.At(kStart).steps_per_second, 0.2, 1e-9);
}

}  // namespace
}  // namespace mind
