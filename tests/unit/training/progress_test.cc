#include "worker/training/progress.h"

#include <gtest/gtest.h>

namespace mind::training {
namespace {

TEST(Progress, ALineSaysHowFarAndHowLong) {
  EXPECT_EQ(
      ProgressLine(
          {.step = 70, .steps = 7000, .loss = 0.054, .pictures_a_second = 68.49, .seconds_left = 3661.4}),
      "step 70 of 7000  loss 0.05400  68.5 pictures/s  1:01:01 left");
}

TEST(Progress, ABarFills) {
  EXPECT_EQ(ProgressBar({.step = 0, .steps = 7}, 10), "[----------]");
  EXPECT_EQ(ProgressBar({.step = 5, .steps = 7}, 10), "[#######---]");
  EXPECT_EQ(ProgressBar({.step = 7, .steps = 7}, 10), "[##########]");
  EXPECT_EQ(ProgressBar({.step = 799'999, .steps = 800'000}, 10), "[#########-]");
}

}  // namespace
}  // namespace mind::training
