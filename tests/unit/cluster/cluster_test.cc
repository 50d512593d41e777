// The whole of it: against queueing figures that were found another way, and against itself.
#include "tests/bench/cluster/cluster.h"

#include <gtest/gtest.h>

#include "tests/bench/cluster/scenarios.h"

namespace mind::simulation {
namespace {

std::vector<Weighted<uint32_t>> Between(uint32_t least, uint32_t most) {
  std::vector<Weighted<uint32_t>> all;
  for (uint32_t value = least; value <= most; ++value) all.push_back({value, 1});
  return all;
}

// One model on these GPUs, jobs of one picture that come at a steady rate.
Settings Steady(int gpus, const StepTimes& times, const std::vector<Weighted<uint32_t>>& steps, double load,
                Batching batching) {
  Settings settings;
  settings.pools = {{.model = "m",
                     .gpus = gpus,
                     .kinds = {{.side = 512, .times = times, .steps = steps, .pictures = {{1, 1}}}}}};
  settings.shape = {.load = load, .swing = 0, .bursts_a_day = 0, .burst_factor = 1, .tenants = 1};
  settings.batching = batching;
  return settings;
}

struct Known {
  const char* name;
  double load;
  Batching batching;
  std::vector<Weighted<uint32_t>> steps;
  double mean, p99;  // latency, in that of a picture alone
};

// One GPU, t(B) = 3 + B, at most eight pictures, load as a share of what batches by step can take: a
// simulation of a GPU alone, in Python, that knows nothing of a dispatcher.
class ClusterOfOneGpu : public testing::TestWithParam<Known> {};

TEST_P(ClusterOfOneGpu, WaitsAsAnotherSimulationSays) {
  const Known& known = GetParam();
  const StepTimes times = StepTimes::Line(0.03, 0.01);
  Settings settings = Steady(1, times, known.steps, known.load, known.batching);
  settings.seconds = 40'000;
  const Outcome outcome = Simulate(settings);
  const double alone = Mean(known.steps) * times.Of(1);
  EXPECT_NEAR(outcome.latency.mean / alone, known.mean, 0.05 * known.mean);
  EXPECT_NEAR(outcome.latency.p99 / alone, known.p99, 0.1 * known.p99);
}

INSTANTIATE_TEST_SUITE_P(
    Known, ClusterOfOneGpu,
    testing::Values(Known{"StepHalf", 0.5, Batching::kByStep, {{20, 1}}, 1.60, 2.79},
                    Known{"StepMost", 0.8, Batching::kByStep, {{20, 1}}, 2.53, 5.74},
                    Known{"StaticHalf", 0.5, Batching::kStatic, {{20, 1}}, 2.05, 3.94},
                    Known{"StaticMost", 0.8, Batching::kStatic, {{20, 1}}, 3.24, 6.74},
                    Known{"StepMixed", 0.5, Batching::kByStep, Between(10, 50), 1.59, 3.68},
                    Known{"StaticMixed", 0.5, Batching::kStatic, Between(10, 50), 3.96, 9.33}),
    [](const testing::TestParamInfo<Known>& info) { return info.param.name; });

// SDXL on eight H200 as MLPerf's logs have it, at 17.4 pictures a second: latencies in seconds, as replayed
// by the same other simulation.
TEST(ClusterOfEightGpus, WaitsAsAnotherSimulationOfMlperfSays) {
  const StepTimes times = StepTimes::Line(0.0067, 0.0204);
  const double load = 17.4 * 20 * times.Of(8) / 8 / 8;
  Settings settings = Steady(8, times, {{20, 1}}, load, Batching::kByStep);
  settings.seconds = 8000;
  const Outcome by_step = Simulate(settings);
  EXPECT_NEAR(by_step.latency.mean, 1.93, 0.25) << "close to what they can take: it depends on the draw";
  EXPECT_NEAR(by_step.latency.p99, 4.07, 0.4);
  settings.batching = Batching::kStatic;
  const Outcome fixed = Simulate(settings);
  EXPECT_NEAR(fixed.latency.mean, 2.40, 0.3);
  EXPECT_NEAR(fixed.latency.p99, 4.51, 0.45);
}

Settings Small() {
  Settings settings;
  settings.pools = TypicalPools(10);
  settings.begin = 10 * 3600;
  settings.warm_up = 600;
  settings.seconds = 1200;
  return settings;
}

TEST(ClusterAsAWhole, IsTheSameFromTheSameSeed) {
  const auto table = [](uint64_t seed) {
    std::string rows;
    Settings load = Small();
    load.seed = seed;
    for (const Scenario& scenario : WaysToBatch(load))
      rows += TableRow(scenario.name, Simulate(scenario.settings));
    load.scaling.metric = Metric::kWork;
    return rows + TableRow("scaled", Simulate(load));
  };
  const std::string once = table(5);
  EXPECT_EQ(once, table(5));
  EXPECT_NE(once, table(6));
}

TEST(ClusterAsAWhole, OfOneLoadMakesTheSameJobsByAnyWay) {
  const std::vector<Scenario> ways = WaysToScale(Small());
  const int64_t jobs = Simulate(ways.front().settings).jobs;
  EXPECT_GT(jobs, 1000);
  for (const Scenario& way : ways) {
    const Outcome outcome = Simulate(way.settings);
    EXPECT_EQ(outcome.jobs, jobs) << way.name;
    EXPECT_LE(outcome.most_gpus, 1 + 2 + 8) << way.name;
    EXPECT_LE(outcome.utilisation, 1) << way.name;
    EXPECT_GT(outcome.utilisation, 0.1) << way.name;
  }
}

TEST(ClusterAsAWhole, GoesOnWithWhatAGpuThatGoesGivesBack) {
  Settings settings = Small();
  settings.scaling = {.metric = Metric::kWaiting,
                      .target = 1,
                      .start_seconds = 30,
                      .down = {.pods = 100, .share = 1, .seconds = 15},
                      .cooldown_seconds = 15};
  EXPECT_GT(Simulate(settings).moved, 10);
}

TEST(ClusterAsAWhole, BoundsWhatIsPaidForByWhatThereIs) {
  Settings settings = Small();
  EXPECT_DOUBLE_EQ(Simulate(settings).gpu_hours, 11 * settings.seconds / 3600) << "1 + 2 + 8 GPUs";
}

}  // namespace
}  // namespace mind::simulation
