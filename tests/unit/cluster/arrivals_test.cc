#include "tests/bench/cluster/arrivals.h"

#include <gtest/gtest.h>

#include <map>

namespace mind::simulation {
namespace {

const std::vector<Pool> kPools = {
    {.model = "a", .gpus = 3, .kinds = {{512, StepTimes::Line(0, 1), {{10, 1}}, {{1, 1}}}}},
    {.model = "b",
     .gpus = 1,
     .kinds = {{512, StepTimes::Line(0, 1), {{10, 1}}, {{1, 1}}, 0.5},
               {1024, StepTimes::Line(0, 1), {{10, 1}, {30, 1}}, {{1, 1}, {4, 1}}, 0.5}}}};

struct Seen {
  int jobs = 0;
  double work = 0;  // seconds of GPUs
};
// By pool and kind, within a day.
std::map<std::pair<size_t, size_t>, Seen> Day(const Shape& shape, double begin, double hours) {
  Arrivals arrivals(kPools, 1, shape, begin, 1);
  std::map<std::pair<size_t, size_t>, Seen> seen;
  for (;;) {
    const Arrival arrival = arrivals.Next();
    if (arrival.at >= begin + 3600 * hours) return seen;
    Seen& of = seen[{arrival.pool, arrival.kind}];
    ++of.jobs;
    of.work += arrival.steps * arrival.pictures;
  }
}

TEST(Arrivals, AskForTheLoadOfEachPoolAndTheShareOfEachKind) {
  auto seen = Day({.load = 0.5, .bursts_a_day = 0}, 0, 24);
  EXPECT_NEAR((seen[{0, 0}].work), 0.5 * 3 * 86'400, 0.03 * 1.5 * 86'400);
  EXPECT_NEAR((seen[{1, 0}].work), 0.25 * 86'400, 0.08 * 0.25 * 86'400);
  EXPECT_NEAR((seen[{1, 1}].work), 0.25 * 86'400, 0.15 * 0.25 * 86'400);
}

TEST(Arrivals, FollowTheHour) {
  const Shape shape = {.load = 0.5, .swing = 0.6, .bursts_a_day = 0};
  const double night = Day(shape, -1800, 1)[{0, 0}].jobs, noon = Day(shape, 11.5 * 3600, 1)[{0, 0}].jobs;
  EXPECT_NEAR(night, 0.4 * 540, 50);
  EXPECT_NEAR(noon, 1.6 * 540, 100);
}

TEST(Arrivals, ComeInBursts) {
  Shape shape = {.load = 0.5, .swing = 0, .bursts_a_day = 0};
  const int quiet = Day(shape, 0, 24)[{0, 0}].jobs;
  shape.bursts_a_day = 48;  // ten minutes every forty, at three times the rate
  EXPECT_NEAR((Day(shape, 0, 24)[{0, 0}].jobs), 1.5 * quiet, 0.15 * quiet);
}

TEST(Arrivals, AreThoseOfTheirSeed) {
  Arrivals first(kPools, 1, {}, 0, 7), again(kPools, 1, {}, 0, 7), other(kPools, 1, {}, 0, 8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const Arrival arrival = first.Next();
    EXPECT_EQ(arrival.at, again.Next().at);
    differs |= arrival.at != other.Next().at;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace mind::simulation
