#include "tests/bench/cluster/step_times.h"

#include <cstddef>

namespace mind::simulation {

double StepTimes::Of(double pictures) const {
  size_t right = 1;
  while (right + 1 < measured_.size() && measured_[right].pictures < pictures) ++right;
  const Point& a = measured_[right - 1];
  const Point& b = measured_[right];
  return a.seconds + (pictures - a.pictures) * (b.seconds - a.seconds) / (b.pictures - a.pictures);
}

}  // namespace mind::simulation
