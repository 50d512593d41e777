// The exponential moving average of the parameters, which is what is sampled from: Polyak & Juditsky 1992; Ho
// et al. 2020, app. B.
#ifndef MIND_WORKER_TRAINING_AVERAGE_H_
#define MIND_WORKER_TRAINING_AVERAGE_H_

#include "worker/training/parameters.h"

namespace mind::training {

class Average {
 public:
  struct Options {
    double decay = 0.9999;
    int64_t start = 0;  // until this step it is the parameters themselves
  };

  Average(const Tensors& parameters, Options options) : options_(options) {
    for (const auto& [name, parameter] : parameters) tensors_[name] = parameter.detach().clone();
  }

  void Update(const Tensors& parameters, int64_t step) {
    const at::NoGradGuard no_grad;
    // While it is young, not more of it than it has seen.
    const double seen = static_cast<double>(step - options_.start);
    const double decay = step <= options_.start ? 0 : std::min(options_.decay, (1 + seen) / (10 + seen));
    for (auto& [name, average] : tensors_) average.lerp_(parameters.at(name), 1 - decay);
  }

  const Tensors& tensors() const { return tensors_; }

 private:
  const Options options_;
  Tensors tensors_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_AVERAGE_H_
