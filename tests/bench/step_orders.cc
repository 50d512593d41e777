// bench-orders [JOBS]: what the order of steps makes of latency, in simulated time: Poisson arrivals of jobs
// of 1 to 16 pictures and 10 to 50 steps on machines of given t(B), by the product's own StepBatches
// (tests/support/step_simulation.h). The same seed gives the same table.
//
// Slowdown: a job's latency over what it takes by itself. Of all orders the same jobs, in the same seconds of
// arrival.
#include <cstdio>
#include <cstdlib>

#include "tests/bench/statistics.h"
#include "tests/support/step_simulation.h"

namespace mind::diffusion::simulation {
namespace {

using bench::Quantile;

constexpr double kAnyLead = 1e300;

struct Order {
  const char* name;
  StepTurns::Options turns;
  size_t floor = 1;            // of the cap, where the machine is a GPU
  bool job_is_tenant = false;  // shares are of jobs
};

const Order kOrders[] = {
    {"first come, first served", {.patience = 0, .flow = 0, .lead = kAnyLead}},
    {"equal shares of jobs", {.patience = 0, .flow = 0, .lead = 0}, 1, true},
    {"equal shares of pictures", {.flow = 1}, 16},
    {"by turns", {}},
};

struct Setting {
  const char* name;
  Machine machine;
  size_t knee;           // rows beyond which nothing is gained
  double seconds_a_row;  // in batches of that many
};

void Measure(const Setting& setting, double load, size_t count) {
  const std::vector<Job> jobs = PoissonJobs(count, load, setting.seconds_a_row, /*seed=*/1);
  double first = 0, first_tail = 0;
  for (const Order& order : kOrders) {
    Machine machine = setting.machine;
    if (machine.cap.ceiling > machine.cap.floor) machine.cap.floor = order.floor;
    std::vector<Job> given = jobs;
    if (order.job_is_tenant) {
      for (size_t i = 0; i < given.size(); ++i) given[i].tenant = std::to_string(i);
    }
    Simulation run(machine, order.turns);
    const std::vector<Outcome> outcomes = run.Of(given);
    double mean = 0, gap = 0, slowdown = 0;
    std::vector<double> latencies, slowdowns;
    for (size_t i = 0; i < jobs.size(); ++i) {
      latencies.push_back(outcomes[i].latency);
      slowdowns.push_back(outcomes[i].latency / OwnSeconds(setting.machine, jobs[i], setting.knee));
      mean += outcomes[i].latency / static_cast<double>(jobs.size());
      slowdown += slowdowns.back() / static_cast<double>(jobs.size());
      gap = std::max(gap, outcomes[i].longest_gap);
    }
    const double tail = Quantile(latencies, 0.99);
    if (first == 0) first = mean, first_tail = tail;
    std::printf("| %s | %.1f | %s | %.3g (%.2f) | %.3g (%.2f) | %.2f | %.1f | %.1f | %zu | %.4f |\n",
                setting.name, load, order.name, mean, mean / first, tail, tail / first_tail, slowdown,
                Quantile(slowdowns, 0.99), gap, run.cap().cap(), static_cast<double>(count) / run.now());
    std::fflush(stdout);
  }
}

int Main(size_t count) {
  std::printf(
      "| machine | load | order | mean latency, s (of the first) | 99th percentile, s (of the first) | mean "
      "slowdown | its 99th percentile | longest gap, rounds | cap at the end | jobs/s |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  const Setting settings[] = {
      {"CPU, 2 cores", Cpu(2), 2, 0.5},
      {"CPU, 16 cores", Cpu(16), 16, 1.0 / 16},
      {"GPU, t(B) = 3 + B", Gpu(3, 1), 32, (3 + 32.0) / 32},
      {"GPU, t(B) = B", Gpu(0, 1), 2, 1},
  };
  for (const Setting& setting : settings) {
    for (const double load : {0.5, 0.7, 0.9}) Measure(setting, load, count);
  }
  return 0;
}

}  // namespace
}  // namespace mind::diffusion::simulation

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 2000;
  if (count < 1) {
    std::fprintf(stderr, "bench-orders: JOBS must be a number from 1, given: %s\n", argv[1]);
    return 2;
  }
  return mind::diffusion::simulation::Main(static_cast<size_t>(count));
}
