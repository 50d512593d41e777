// t(B): how long a GPU takes for one step of B pictures of one model and size.
#ifndef MIND_TESTS_BENCH_CLUSTER_STEP_TIMES_H_
#define MIND_TESTS_BENCH_CLUSTER_STEP_TIMES_H_

#include <vector>

namespace mind::simulation {

class StepTimes {
 public:
  struct Point {
    double pictures = 1;
    double seconds = 0;
  };
  // Between what was measured on the line from one to the next, beyond it on the line through the last two.
  // REQUIRES: two points or more, rising.
  explicit StepTimes(std::vector<Point> measured) : measured_(std::move(measured)) {}
  // a + b · B, seconds.
  static StepTimes Line(double a, double b) { return StepTimes({{1, a + b}, {2, a + 2 * b}}); }

  double Of(double pictures) const;

 private:
  std::vector<Point> measured_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_STEP_TIMES_H_
