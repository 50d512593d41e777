#include "tests/bench/cluster/step_times.h"

#include <gtest/gtest.h>

namespace mind::simulation {
namespace {

TEST(StepTimes, LieOnTheLineBetweenWhatWasMeasured) {
  const StepTimes times({{1, 0.2}, {2, 0.25}, {4, 0.45}});
  EXPECT_DOUBLE_EQ(times.Of(1), 0.2);
  EXPECT_DOUBLE_EQ(times.Of(2), 0.25);
  EXPECT_DOUBLE_EQ(times.Of(3), 0.35);
  EXPECT_DOUBLE_EQ(times.Of(8), 0.85) << "beyond, on the last line";
}

TEST(StepTimes, OfALineAreThatLine) {
  const StepTimes times = StepTimes::Line(3, 1);
  for (const double pictures : {1, 2, 5, 8}) EXPECT_DOUBLE_EQ(times.Of(pictures), 3 + pictures);
}

}  // namespace
}  // namespace mind::simulation
