#include "tests/bench/cluster/autoscaler.h"

#include <gtest/gtest.h>

namespace mind::simulation {
namespace {

TEST(Autoscaler, WantsTheMetricOverItsTarget) {
  Autoscaler autoscaler({.target = 30, .max = 100, .up = {.pods = 100}});
  EXPECT_EQ(autoscaler.Wanted(301, 1, 0), 11);
}

TEST(Autoscaler, LetsATenthBe) {
  Autoscaler autoscaler({.target = 10, .max = 100});
  EXPECT_EQ(autoscaler.Wanted(109, 10, 0), 10);
  EXPECT_EQ(autoscaler.Wanted(91, 10, 400), 10);
  EXPECT_EQ(autoscaler.Wanted(112, 10, 800), 12);
}

TEST(Autoscaler, KeepsToItsBounds) {
  Autoscaler autoscaler({.target = 1, .min = 2, .max = 5, .up = {.pods = 100}});
  EXPECT_EQ(autoscaler.Wanted(1000, 2, 0), 5);
  EXPECT_EQ(autoscaler.Wanted(0, 2, 1), 2);
}

TEST(Autoscaler, DoublesOrAddsFourEachQuarterOfAMinute) {
  Autoscaler autoscaler({.target = 1, .max = 1000});
  EXPECT_EQ(autoscaler.Wanted(1000, 1, 0), 5);
  EXPECT_EQ(autoscaler.Wanted(1000, 5, 5), 5) << "those four are this period's";
  EXPECT_EQ(autoscaler.Wanted(1000, 5, 15), 10);
  EXPECT_EQ(autoscaler.Wanted(1000, 10, 30), 20);
}

TEST(Autoscaler, GoesDownWhenFewerWereWantedAllThroughTheWindow) {
  Autoscaler autoscaler({.target = 1, .max = 10, .down = {.pods = 10}});
  EXPECT_EQ(autoscaler.Wanted(10, 10, 0), 10);
  EXPECT_EQ(autoscaler.Wanted(2, 10, 15), 10);
  EXPECT_EQ(autoscaler.Wanted(6, 10, 200), 10);
  EXPECT_EQ(autoscaler.Wanted(2, 10, 300), 6) << "the most that was wanted within five minutes";
  EXPECT_EQ(autoscaler.Wanted(2, 6, 501), 2);
}

TEST(Autoscaler, GoesDownByOneAMinuteOrByAShare) {
  for (const double share : {0.0, 0.1}) {
    Autoscaler autoscaler({.target = 1, .max = 100, .down_window = 0, .down = {.pods = 1, .share = share}});
    const int first = share == 0 ? 99 : 90;
    EXPECT_EQ(autoscaler.Wanted(1, 100, 0), first);
    EXPECT_EQ(autoscaler.Wanted(1, first, 30), first);
    EXPECT_EQ(autoscaler.Wanted(1, first, 60), share == 0 ? 98 : 81);
  }
}

}  // namespace
}  // namespace mind::simulation
