// The order of steps against others, in simulated time: bench-orders in small.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/support/step_simulation.h"

namespace mind::diffusion::simulation {
namespace {

constexpr int kGrain = 5;
constexpr StepTurns::Options kFirstCome{.patience = 0, .flow = 0, .lead = 1e300}, kEqualShares{.flow = 1};

struct Figures {
  double mean = 0, tail = 0, slowdown_tail = 0, jobs_a_second = 0;
};

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size()))];
}

Figures Of(const Machine& machine, const std::vector<Job>& jobs, StepTurns::Options turns) {
  Simulation run(machine, turns);
  const std::vector<Outcome> outcomes = run.Of(jobs);
  Figures figures;
  std::vector<double> latencies, slowdowns;
  for (size_t i = 0; i < jobs.size(); ++i) {
    latencies.push_back(outcomes[i].latency);
    slowdowns.push_back(outcomes[i].latency / OwnSeconds(machine, jobs[i], run.cap().cap()));
  }
  figures.mean = std::accumulate(latencies.begin(), latencies.end(), 0.0) / static_cast<double>(jobs.size());
  figures.tail = Quantile(latencies, 0.99);
  figures.slowdown_tail = Quantile(slowdowns, 0.99);
  figures.jobs_a_second = static_cast<double>(jobs.size()) / run.now();
  return figures;
}

class StepOrdersTest : public testing::TestWithParam<std::pair<size_t, double>> {};

// What is promised of it on a CPU (ADR 28).
TEST_P(StepOrdersTest, TurnsAreBetterThanFirstComeAndThanEqualShares) {
  const auto& [cores, load] = GetParam();
  const Machine machine = Cpu(cores);
  const std::vector<Job> jobs = PoissonJobs(1000, load, 1 / static_cast<double>(cores), /*seed=*/1, kGrain);
  const Figures turns = Of(machine, jobs, {}), first = Of(machine, jobs, kFirstCome),
                equal = Of(machine, jobs, kEqualShares);
  for (const Figures& other : {first, equal}) {
    EXPECT_LT(turns.mean, other.mean);
    EXPECT_LT(turns.slowdown_tail, other.slowdown_tail);
    EXPECT_GT(turns.jobs_a_second, 0.99 * other.jobs_a_second);
  }
  EXPECT_LE(turns.tail, 1.25 * first.tail);
}

INSTANTIATE_TEST_SUITE_P(All, StepOrdersTest,
                         testing::Values(std::pair{2, 0.5}, std::pair{2, 0.7}, std::pair{2, 0.9},
                                         std::pair{16, 0.7}));

TEST(StepOrders, TheSameSeedGivesTheSameRun) {
  const std::vector<Job> jobs = PoissonJobs(50, 0.7, 0.5, 3, kGrain);
  const Figures once = Of(Cpu(2), jobs, {}), again = Of(Cpu(2), PoissonJobs(50, 0.7, 0.5, 3, kGrain), {});
  EXPECT_EQ(once.mean, again.mean);
  EXPECT_EQ(once.slowdown_tail, again.slowdown_tail);
}

// A job is done by when all that was there before it would be, and what comes in `patience` times its own
// length, but for the share that flows.
TEST(StepOrders, NoJobWaitsBeyondItsBound) {
  std::vector<Job> jobs = PoissonJobs(300, 0.8, 0.5, 4, kGrain);
  for (Job& job : jobs) job.rows = 2;  // one picture at a time fills the machine
  const StepTurns::Options turns;
  const std::vector<Outcome> outcomes = Simulation(Cpu(2), turns).Of(jobs);
  const auto own = [](const Job& job) { return static_cast<double>(job.pictures * job.steps); };
  for (size_t i = 0; i < jobs.size(); ++i) {
    double before = outcomes[i].work_found;
    for (size_t k = i + 1;
         k < jobs.size() && jobs[k].arrives < jobs[i].arrives + turns.patience * own(jobs[i]); ++k) {
      before += own(jobs[k]);
    }
    EXPECT_LE(outcomes[i].latency, before / (1 - turns.flow) + 2) << i;
  }
}

// Where t(B) is a line through nothing, to share is worse for all: the cap stays at what one picture needs.
// Where it is not, it goes to the knee.
TEST(StepOrders, TheCapIsTheKneeOfTheMachine) {
  const auto cap = [](double fixed) {
    const std::vector<Job> jobs = PoissonJobs(60, 0.9, (fixed + 32) / 32, 5);
    Simulation run(Gpu(fixed, 1), {});
    run.Of(jobs);
    return run.cap().cap();
  };
  EXPECT_LE(cap(0), 2U);
  EXPECT_GE(cap(3), 16U);
}

TEST(StepOrders, OnALinearGpuALowCapIsBetterForAll) {
  const Machine knee = Gpu(0, 1);
  Machine before = knee;
  before.cap.floor = 16;
  const std::vector<Job> jobs = PoissonJobs(150, 0.7, 1, 6, kGrain);
  const Figures turns = Of(knee, jobs, {}), shared = Of(before, jobs, kEqualShares);
  EXPECT_LT(turns.mean, 0.8 * shared.mean);
  EXPECT_LT(turns.slowdown_tail, shared.slowdown_tail);
}

// Both always have something to do, one of them in short jobs.
TEST(StepOrders, TenantsGetTheirSharesOfTheMachine) {
  std::vector<Job> jobs;
  for (int i = 0; i < 100; ++i) {
    jobs.push_back({.pictures = 1, .steps = 10, .tenant = "short"});
    jobs.push_back({.pictures = 4, .steps = 40, .tenant = "heavy", .weight = 3});
  }
  Simulation run(Cpu(2), {});
  run.Of(jobs, /*until=*/3000);
  EXPECT_NEAR(run.had().at("heavy") / 3000, 0.75, 0.06);  // but for what the lead allows
}

}  // namespace
}  // namespace mind::diffusion::simulation
