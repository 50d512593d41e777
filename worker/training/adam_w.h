// AdamW. Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.
#ifndef MIND_WORKER_TRAINING_ADAM_W_H_
#define MIND_WORKER_TRAINING_ADAM_W_H_

#include "worker/training/parameters.h"

namespace mind::training {

class AdamW {
 public:
  struct Options {
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0;  // a step, times the rate; matrices and convolutions only
  };

  AdamW(const Tensors& parameters, Options options);

  // `gradients` by the parameters' names. `step` counts from 1.
  void Step(const Tensors& parameters, const Tensors& gradients, double rate, int64_t step);

  // The running means of gradients and of their squares.
  const Tensors& means() const { return means_; }
  const Tensors& squares() const { return squares_; }

 private:
  const Options options_;
  Tensors means_, squares_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_ADAM_W_H_
