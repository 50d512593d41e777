#include "worker/diffusion/engine/batch_cap.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

// Feeds full batches of a machine that takes a + b·rows seconds.
size_t CapAfterLearning(double a, double b) {
  BatchCap cap({.floor = 4, .ceiling = 64});
  for (int i = 0; i < 200; ++i) cap.Record(cap.cap(), a + b * static_cast<double>(cap.cap()));
  return cap.cap();
}

TEST(BatchCap, GrowsWhileLargerBatchesYieldMore) {
  EXPECT_EQ(CapAfterLearning(1, 0.001), 64U);
}

TEST(BatchCap, StaysAtTheFloorWhereThroughputIsFlat) {
  EXPECT_EQ(CapAfterLearning(0, 0.1), 4U);
}

TEST(BatchCap, StopsAtTheKnee) {
  // 4 → 8 brings 33 %, 8 → 16 20 %, 16 → 32 11 %, 32 → 64 6 %.
  EXPECT_GE(CapAfterLearning(0.4, 0.1), 32U);
  EXPECT_EQ(CapAfterLearning(0.02, 0.1), 4U);  // 4 → 8 brings 2.4 %
}

TEST(BatchCap, LearnsTheCostOfARowFromBatchesOfAnySize) {
  BatchCap cap({});
  EXPECT_EQ(cap.seconds_per_row(), 0);
  cap.Record(2, 0.5);
  EXPECT_DOUBLE_EQ(cap.seconds_per_row(), 0.25);
}

}  // namespace
}  // namespace mind::diffusion
