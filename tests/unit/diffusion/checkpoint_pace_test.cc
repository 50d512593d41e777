#include "worker/diffusion/engine/checkpoint_pace.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

TEST(CheckpointPace, CheapOnesComeAsOftenAsIsBestOnTheWhole) {
  const CheckpointPace pace(1000);
  // No interval beside it costs less: cost / interval + interval / 2 / hour.
  for (const double cost : {1e-4, 1e-3, 1e-2, 1.0}) {
    const double best = pace.Interval(cost);
    const auto price = [&](double interval) { return cost / interval + interval / 2 / 3600; };
    EXPECT_LT(price(best), price(best * 0.9)) << cost;
    EXPECT_LT(price(best), price(best * 1.1)) << cost;
  }
}

TEST(CheckpointPace, NoMoreIsAtRiskThanIsAllowed) {
  EXPECT_EQ(CheckpointPace(5).Interval(0.05), 5);
  EXPECT_EQ(CheckpointPace(0.2).Interval(0.001), 0.2);
  EXPECT_LT(CheckpointPace(5).Interval(0.0001), 5);
}

TEST(CheckpointPace, DearOnesComeSoSeldomThatTheyCostLittle) {
  EXPECT_DOUBLE_EQ(CheckpointPace(5).Interval(1), 20);
  EXPECT_DOUBLE_EQ(CheckpointPace(0.02).Interval(0.01), 0.2);
}

TEST(CheckpointPace, ZeroIsAfterEveryStep) {
  EXPECT_EQ(CheckpointPace(0).Interval(10), 0);
}

TEST(CheckpointPace, SizeCostsAsWell) {
  EXPECT_DOUBLE_EQ(CheckpointPace::Cost(0.5, 50'000'000), 1);
  EXPECT_GT(CheckpointPace(60).Interval(CheckpointPace::Cost(0.001, 48 << 20)),
            CheckpointPace(60).Interval(CheckpointPace::Cost(0.001, 64 << 10)));
}

}  // namespace
}  // namespace mind::diffusion
