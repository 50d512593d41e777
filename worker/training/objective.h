// What is to be learnt: a loss, and a model directory to show for it.
#ifndef MIND_WORKER_TRAINING_OBJECTIVE_H_
#define MIND_WORKER_TRAINING_OBJECTIVE_H_

#include <ATen/ATen.h>

#include <string>

#include "worker/training/parameters.h"
#include "worker/training/random.h"

namespace mind::training {

// Some examples, on the device of the parameters.
struct Examples {
  at::Tensor pictures;  // float [B, 3, H, W] from -1 to 1
  at::Tensor labels;    // int64 [B]
};

// Built on Parameters. Any thread may call, several at once.
class Objective {
 public:
  virtual ~Objective() = default;
  // The mean over the examples, a number with a graph behind it.
  virtual at::Tensor Loss(const Examples& examples, StepRandom& random) const = 0;
  // Writes a directory that a worker serves, with these values of the parameters.
  virtual void WriteModel(const std::string& directory, const Tensors& parameters) const = 0;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_OBJECTIVE_H_
