// Time since it was made.
#ifndef MIND_TESTS_BENCH_STOPWATCH_H_
#define MIND_TESTS_BENCH_STOPWATCH_H_

#include <chrono>

#include "absl/time/time.h"

namespace mind::bench {

class Stopwatch {
 public:
  absl::Duration Elapsed() const { return absl::FromChrono(std::chrono::steady_clock::now() - begin_); }
  double Seconds() const { return absl::ToDoubleSeconds(Elapsed()); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_STOPWATCH_H_
