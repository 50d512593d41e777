// What is asked of the GPUs of one model: kinds of jobs, and what they take.
#ifndef MIND_TESTS_BENCH_CLUSTER_POOL_H_
#define MIND_TESTS_BENCH_CLUSTER_POOL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/cluster/random.h"
#include "tests/bench/cluster/step_times.h"

namespace mind::simulation {

struct Kind {
  uint32_t side;  // of a picture, pixels
  StepTimes times;
  std::vector<Weighted<uint32_t>> steps;
  std::vector<Weighted<uint32_t>> pictures;  // of a job
  double share = 1;                          // of what is asked of its GPUs, in their time

  // Seconds of one GPU that a job takes in the mean, where so many pictures always share a step.
  double Seconds(int room) const;
};

// The first kind is what the model makes where nothing is said. No two are of one size.
struct Pool {
  std::string model;
  int gpus = 1;
  std::vector<Kind> kinds;
};

// Three models of today's sizes, on so many GPUs in all. Where each t(B) comes from is said in pool.cc.
std::vector<Pool> TypicalPools(int gpus);

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_POOL_H_
