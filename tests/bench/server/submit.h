// Jobs for a server, as fast as it takes them.
#ifndef MIND_TESTS_BENCH_SERVER_SUBMIT_H_
#define MIND_TESTS_BENCH_SERVER_SUBMIT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/job.pb.h"

namespace mind::bench {

struct Submission {
  std::string server;  // HOST:PORT
  size_t jobs = 0;
  int at_once = 1;                                  // calls
  absl::Duration limit = absl::InfiniteDuration();  // none is begun later
  int models = 1;                                   // the jobs take turns at so many null models
  uint32_t steps = 20;
};

struct Submitted {
  size_t jobs = 0;
  double seconds = 0;                // all of it
  std::vector<double> each_seconds;  // every call
};

// A job for a null model.
v1::JobRequest NullJob(int model, uint32_t steps);

// CreateJob over one connection, over and over. Throws std::runtime_error if one is refused.
Submitted Submit(const Submission& submission);

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_SUBMIT_H_
