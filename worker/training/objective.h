// What is to be learnt: a loss over examples, and a model directory to show for it.
#ifndef MIND_WORKER_TRAINING_OBJECTIVE_H_
#define MIND_WORKER_TRAINING_OBJECTIVE_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "worker/training/parameters.h"
#include "worker/training/random.h"
#include "worker/training/run_config.h"

namespace mind::training {

// Built on Parameters, which must outlive it, and on the examples, which it keeps. Any thread may call,
// several at once.
class Objective {
 public:
  virtual ~Objective() = default;
  // How many examples there are.
  virtual int64_t count() const = 0;
  // The mean loss of these examples, a number with a graph behind it.
  virtual at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const = 0;
  // Writes a model directory, or the part of one that is learnt, with these values of the parameters.
  virtual void WriteModel(const std::string& directory, const Tensors& parameters) const = 0;
  // The parameters in a directory as WriteModel makes it, under the names they have here, and perhaps other
  // tensors. Throws diffusion::ModelError.
  virtual Tensors ReadModel(const std::string& directory) const = 0;
  // A PNG file that shows what the directory just written can do.
  virtual std::string DrawSheet(const std::string& directory, int threads) const = 0;
};

// What the run's file asks for, on the parameters' device. Throws diffusion::ModelError.
std::unique_ptr<Objective> MakeObjective(const RunConfig& config, Parameters& parameters);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_OBJECTIVE_H_
