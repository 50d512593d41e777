// A cluster in simulated time: arrivals, GPUs and an autoscaler around the server's own queue and dispatcher.
//
// What is real: JobQueue, Dispatcher and Fleet, every message that they get from workers and every action
// they answer with, and what servers tell KEDA (DemandOf). What is simulated: time, jobs' arrivals
// (Arrivals), GPUs (Gpu), the autoscaler (Autoscaler). What is not there: fronts, store, network.
#ifndef MIND_TESTS_BENCH_CLUSTER_CLUSTER_H_
#define MIND_TESTS_BENCH_CLUSTER_CLUSTER_H_

#include <cstdint>
#include <vector>

#include "tests/bench/cluster/account.h"
#include "tests/bench/cluster/arrivals.h"
#include "tests/bench/cluster/autoscaler.h"
#include "tests/bench/cluster/gpu.h"
#include "tests/bench/cluster/pool.h"

namespace mind::simulation {

// By what the number of GPUs of a pool follows what is asked of it.
enum class Metric {
  kNone,     // it is what the pool says
  kWaiting,  // jobs that wait
  kJobs,     // jobs that wait or run
  kWork,     // seconds of one worker that those still need, as servers tell KEDA
};

struct Scaling {
  Metric metric = Metric::kNone;
  double target = 30;  // of the metric, a GPU
  // From being wanted to taking work: a machine, an image, weights.
  double start_seconds = 120;
  Autoscaler::Limit down = {.pods = 1, .share = 0, .seconds = 60};
  double cooldown_seconds = 300;
};

struct Settings {
  std::vector<Pool> pools;
  Shape shape;
  Batching batching = Batching::kByStep;
  uint32_t room = 8;  // pictures that a GPU takes at a time
  Scaling scaling;
  double begin = 0;         // seconds since midnight
  double warm_up = 3600;    // seconds that are played and not counted
  double seconds = 86'400;  // that are counted
  uint64_t seed = 1;
};

// The same settings give the same outcome. Throws std::logic_error if a job fails or a worker is lost.
Outcome Simulate(const Settings& settings);

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_CLUSTER_H_
