// Several fronts on one database, under random events: fronts that are killed, stopped, cut off and resign,
// clocks of different rates, a database that crashes, fails over, goes away, and says things late or not at
// all, workers and clients that lose their connections. Beside it an account of what must be true.
//
// What runs is the product's: Campaign and Election, Leadership, LeaderSeat and the GenerationService behind
// it. What is simulated is what is around them (fronts/): clocks, loops, the database, and everything that
// travels.
//
// MIND_SIMULATIONS: how many schedules, from MIND_SIMULATION_FIRST on; a failure names its seed, and
// MIND_SIMULATION_SEED runs that alone.
#include <gtest/gtest.h>

#include <cstdlib>

#include "proto/support/quiet_logs.h"
#include "tests/unit/simulation/fronts/world.h"
#include "tests/unit/simulation/simulation_seeds.h"

namespace mind::server {
namespace {

using simulated::Bug;
using simulated::Scale;
using simulated::World;

constexpr uint32_t kSchedules = 10'000;  // in CI

// What went wrong, if anything.
std::string Play(uint32_t seed, Bug bug = Bug::kNone) {
  static ServerMetrics* const metrics = new ServerMetrics;  // take longer to make than a world to run
  const Scale scale = Scale::Of(seed);
  World world(seed, scale, bug, *metrics);
  world.Chaos(scale.steps);
  world.Calm(scale);
  return world.violation();
}

TEST(FrontsSimulation, WhateverHappensNothingIsLostAndNothingHappensTwice) {
  if (std::getenv("MIND_SIMULATION_SEED") != nullptr) {
    EXPECT_EQ(Play(SimulationNumber("MIND_SIMULATION_SEED", 0)), "");
    return;
  }
  const QuietLogs quiet;
  const uint32_t first = SimulationNumber("MIND_SIMULATION_FIRST", 1);
  const uint32_t schedules = SimulationNumber("MIND_SIMULATIONS", kSchedules);
  for (uint32_t i = 0; i < schedules; ++i) {
    ASSERT_EQ(Play(first + i), "") << "seed " << first + i;
  }
}

TEST(FrontsSimulation, ASeedReplaysExactly) {
  const QuietLogs quiet;
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    const std::string first = Play(seed, Bug::kNoFence);
    ASSERT_EQ(Play(seed, Bug::kNoFence), first) << "seed " << seed;
  }
}

// How a mistake shows, within as many schedules as CI runs.
class FrontsSimulationFinds : public ::testing::TestWithParam<std::pair<Bug, std::string>> {};

TEST_P(FrontsSimulationFinds, APlantedMistake) {
  const QuietLogs quiet;
  const auto& [bug, violation] = GetParam();
  std::map<std::string, int> found;
  for (uint32_t seed = 1; seed <= kSchedules; ++seed) {
    const std::string what = Play(seed, bug);
    if (what == violation) {
      std::cout << "with seed " << seed << '\n';
      return;
    }
    ++found[what];
  }
  FAIL() << "not found: " << violation << "; but " << ::testing::PrintToString(found);
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, FrontsSimulationFinds,
    ::testing::Values(std::pair(Bug::kNoFence, "a write under a term that is over"),
                      std::pair(Bug::kLateWrites, "an older state is written over a newer"),
                      std::pair(Bug::kMixesStates, "a picture goes on from a state that is not its own"),
                      std::pair(Bug::kAsynchronousStandby, "an acknowledged job is unknown"),
                      std::pair(Bug::kWallClock, "a leader that is heard has been deposed"),
                      std::pair(Bug::kStaysWithoutServing, "nobody leads long after all went well again"),
                      std::pair(Bug::kSaysYesTooEarly, "an assignment has left before it was durable"),
                      std::pair(Bug::kTakesSilenceForYes, "an assignment has left before it was durable"),
                      std::pair(Bug::kForgetsRequests, "one request has made two jobs"),
                      std::pair(Bug::kForgetsAttempts, "an attempt is given twice"),
                      std::pair(Bug::kForgetsPictures, "a picture is made twice"),
                      std::pair(Bug::kForgetsEnds, "a job ended twice"),
                      std::pair(Bug::kForgetsAJob, "a job starves"),
                      std::pair(Bug::kFavoursATenant, "a tenant gets more than its share")));

}  // namespace
}  // namespace mind::server
