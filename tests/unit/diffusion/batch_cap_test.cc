#include "worker/diffusion/engine/batch_cap.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

// Feeds full batches of a machine that takes a + b·rows seconds; every seventh takes ten times as long, as
// where a model is loaded or a picture decoded beside it, and the first of each size too.
size_t CapAfterLearning(double a, double b, bool outliers, int batches = 400) {
  BatchCap cap({.floor = 4, .ceiling = 64});
  size_t before = 0;
  for (int i = 0; i < batches; ++i) {
    const size_t rows = cap.cap();
    const bool slow = outliers && (i % 7 == 0 || rows != before);
    before = rows;
    cap.Record(rows, (slow ? 10 : 1) * (a + b * static_cast<double>(rows)));
  }
  return cap.cap();
}

class BatchCapNoiseTest : public testing::TestWithParam<bool> {};

TEST_P(BatchCapNoiseTest, GrowsWhileLargerBatchesYieldMore) {
  EXPECT_EQ(CapAfterLearning(1, 0.001, GetParam()), 64U);
}

TEST_P(BatchCapNoiseTest, StaysAtTheFloorWhereThroughputIsFlat) {
  EXPECT_EQ(CapAfterLearning(0, 0.1, GetParam(), 200), 4U);
}

TEST_P(BatchCapNoiseTest, StopsAtTheKnee) {
  // 4 → 8 brings 33 %, 8 → 16 20 %, 16 → 32 11 %, 32 → 64 6 %.
  EXPECT_GE(CapAfterLearning(0.4, 0.1, GetParam()), 32U);
  EXPECT_EQ(CapAfterLearning(0.02, 0.1, GetParam(), 200), 4U);  // 4 → 8 brings 2.4 %
}

INSTANTIATE_TEST_SUITE_P(All, BatchCapNoiseTest, testing::Bool());

// Every picture has two rows, or three: what one row takes is never known.
TEST(BatchCap, LearnsWhereNoBatchIsAsSmallAsTheCapBegins) {
  const auto learn = [](double a, double b, size_t rows) {
    BatchCap cap({});
    for (int i = 0; i < 200; ++i) {
      const size_t size = std::max(cap.cap() / rows * rows, rows);
      cap.Record(size, a + b * static_cast<double>(size));
    }
    return cap.cap();
  };
  EXPECT_EQ(learn(0, 1, 2), 2U);  // linear: nobody shares
  EXPECT_LE(learn(0, 1, 3), 4U);
  EXPECT_GE(learn(3, 1, 2), 32U);
  EXPECT_LE(learn(0.2, 1, 2), 4U);
}

// A machine that is busy for long, and then is not.
TEST(BatchCap, TriesAgainWhatWasOnceNotWorthIt) {
  BatchCap cap({.floor = 4, .ceiling = 8});
  const auto run = [&cap](int batches, double slowness) {
    for (int i = 0; i < batches; ++i) cap.Record(cap.cap(), cap.cap() == 8 ? slowness : 1.0);
    return cap.cap();
  };
  EXPECT_EQ(run(100, 9), 4U);
  EXPECT_EQ(run(300, 1), 8U);
}

TEST(BatchCap, ShrinksWhereALargerBatchIsNoLongerWorthIt) {
  BatchCap cap({.floor = 4, .ceiling = 8});
  for (int i = 0; i < 20; ++i) cap.Record(cap.cap(), 1);
  EXPECT_EQ(cap.cap(), 8U);
  for (int i = 0; i < 20; ++i) cap.Record(cap.cap(), cap.cap() == 8 ? 2 : 1);
  EXPECT_EQ(cap.cap(), 4U);
}

TEST(BatchCap, LearnsTheCostOfARowFromBatchesOfAnySize) {
  BatchCap cap({});
  EXPECT_EQ(cap.seconds_per_row(), 0);
  cap.Record(2, 0.5);
  EXPECT_DOUBLE_EQ(cap.seconds_per_row(), 0.25);
}

TEST(BatchCap, TellsTheTimeOfSizesMeasuredAndBetween) {
  BatchCap cap({});
  EXPECT_FALSE(cap.Seconds(4).has_value());
  cap.Record(4, 1);
  cap.Record(8, 3);
  EXPECT_EQ(cap.Seconds(4), 1);
  EXPECT_EQ(cap.Seconds(6), 2);
  EXPECT_EQ(cap.Seconds(8), 3);
  EXPECT_FALSE(cap.Seconds(2).has_value());
  EXPECT_FALSE(cap.Seconds(9).has_value());
}

}  // namespace
}  // namespace mind::diffusion
