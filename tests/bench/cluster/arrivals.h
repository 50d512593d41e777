// Who asks for what, when: a Poisson process whose rate follows the hour, with bursts.
#ifndef MIND_TESTS_BENCH_CLUSTER_ARRIVALS_H_
#define MIND_TESTS_BENCH_CLUSTER_ARRIVALS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/bench/cluster/pool.h"
#include "tests/bench/cluster/random.h"

namespace mind::simulation {

struct Shape {
  // The share of all GPUs' time that is asked for in the mean of a day without bursts, where as many pictures
  // as there is room for always share a step.
  double load = 0.55;
  // The rate over the mean is 1 + swing · sin(2π (t / 24 h − 1/4)): least at midnight, most at noon.
  double swing = 0.6;
  // Now and then one model is asked for that many times as much, for so long.
  double bursts_a_day = 4;  // of each model
  double burst_factor = 3;
  double burst_seconds = 600;
  uint32_t tenants = 20;  // the n-th asks for a share of 1 / n
};

struct Arrival {
  double at = 0;  // seconds since midnight
  size_t pool = 0;
  size_t kind = 0;  // of that pool
  uint32_t steps = 0;
  uint32_t pictures = 0;
  uint32_t tenant = 0;
};

class Arrivals {
 public:
  // The first comes after `begin`, seconds since midnight.
  Arrivals(const std::vector<Pool>& pools, int room, const Shape& shape, double begin, uint64_t seed);

  Arrival Next();

 private:
  struct Place {
    size_t pool = 0, kind = 0;
  };
  struct Burst {
    double from = 0, until = 0;
  };

  // Of the highest there can be, the rate at this time.
  double Share(size_t pool, double at);

  const std::vector<Pool>& pools_;
  const Shape shape_;
  Random random_;
  double now_;
  double most_ = 0;                      // jobs a second
  std::vector<Weighted<Place>> places_;  // by jobs
  std::vector<Burst> bursts_;            // the current or next of each pool
  std::vector<Weighted<uint32_t>> tenants_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_ARRIVALS_H_
