// How fast is learnt, step by step.
#ifndef MIND_WORKER_TRAINING_LEARNING_RATE_H_
#define MIND_WORKER_TRAINING_LEARNING_RATE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace mind::training {

struct LearningRate {
  double peak = 2e-4;
  int64_t warm_up = 0;  // steps from nothing to the peak, evenly
  bool cosine = false;  // from the peak down to `last` of it over the run; else constant
  double last = 0.04;
  int64_t steps = 1;  // of the run

  // `step` counts from 1.
  double At(int64_t step) const {
    if (step <= warm_up) return peak * static_cast<double>(step) / static_cast<double>(warm_up);
    if (!cosine) return peak;
    const double done =
        static_cast<double>(step - warm_up) / static_cast<double>(std::max<int64_t>(steps - warm_up, 1));
    return peak * (last + (1 - last) * (1 + std::cos(std::numbers::pi * std::min(done, 1.0))) / 2);
  }
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_LEARNING_RATE_H_
