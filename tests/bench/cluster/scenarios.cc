#include "tests/bench/cluster/scenarios.h"

#include "absl/strings/str_format.h"

namespace mind::simulation {
namespace {

// Jobs a worker, where their number is what is asked for.
constexpr double kWaitingJobs = 5, kJobs = 8;
// Of what runs, in a minute, where more than one may go.
constexpr double kTenth = 0.1;

}  // namespace

std::vector<Scenario> WaysToBatch(const Settings& load) {
  std::vector<Scenario> ways;
  for (const Batching batching : {Batching::kStatic, Batching::kByStep}) {
    Settings settings = load;
    settings.batching = batching;
    settings.scaling.metric = Metric::kNone;
    ways.push_back({batching == Batching::kStatic ? "static batches" : "batches by step", settings});
  }
  return ways;
}

std::vector<Scenario> WaysToScale(const Settings& load) {
  std::vector<Scenario> ways;
  const auto add = [&](const std::string& name, Metric metric, double target, double share) {
    Settings settings = load;
    settings.scaling.metric = metric;
    settings.scaling.target = target;
    settings.scaling.down.share = share;
    ways.push_back({name, settings});
  };
  add("fixed", Metric::kNone, 0, 0);
  for (const double share : {0.0, kTenth}) {
    const std::string down = share == 0 ? ", down by 1 a minute" : ", down by 10 % a minute";
    add(absl::StrFormat("%g waiting jobs each", kWaitingJobs) + down, Metric::kWaiting, kWaitingJobs, share);
    add(absl::StrFormat("%g jobs each", kJobs) + down, Metric::kJobs, kJobs, share);
    for (const double seconds : {30.0, 5.0}) {
      add(absl::StrFormat("%g s of work each", seconds) + down, Metric::kWork, seconds, share);
    }
  }
  return ways;
}

std::string TableHead() {
  return "| | jobs | pictures a step | in use | wait p50, s | wait p99, s | latency p50, s | latency p99, s "
         "| "
         "GPUs at the most | GPU-hours | of these for 1000 pictures | pictures moved |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
}

std::string TableRow(const std::string& name, const Outcome& outcome) {
  return absl::StrFormat("| %s | %d | %.2f | %.1f %% | %.2f | %.1f | %.2f | %.1f | %d | %.1f | %.3f | %d |\n",
                         name, outcome.jobs, outcome.batch, 100 * outcome.utilisation, outcome.wait.p50,
                         outcome.wait.p99, outcome.latency.p50, outcome.latency.p99, outcome.most_gpus,
                         outcome.gpu_hours, outcome.GpuHoursPer1000(), outcome.moved);
}

}  // namespace mind::simulation
