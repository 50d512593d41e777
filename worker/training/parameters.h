// The numbers that are learnt.
#ifndef MIND_WORKER_TRAINING_PARAMETERS_H_
#define MIND_WORKER_TRAINING_PARAMETERS_H_

#include <map>
#include <string>

#include "worker/diffusion/weights/parameters.h"

namespace mind::training {

using Tensors = std::map<std::string, at::Tensor>;

// What networks take their parameters from while they are built for training: makes each on its first take,
// with a gradient, and hands out the same tensor from then on. So a network built on it sees every change.
//
// Where they begin: matrices and convolutions even within ±1/√(fan in), embeddings normal (PyTorch's
// defaults); biases zero; norms one; the last layer of every residual branch zero, so that a network begins
// as the sum of its shortcuts (Goyal et al. 2017, sec. 5.1).
class Parameters : public diffusion::ParameterSource {
 public:
  struct Options {
    uint64_t seed = 0;
    at::Device device = at::kCPU;
    double embedding_deviation = 1;
  };

  explicit Parameters(Options options) : options_(options) {}

  // Optional parts of networks are left out.
  bool Has(const std::string&) const override { return false; }
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override;
  at::Tensor TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) override;

  const Tensors& tensors() const { return tensors_; }
  at::Device device() const { return options_.device; }
  int64_t count() const;  // of numbers

  // Puts in values learnt before. Throws diffusion::ModelError naming `source` unless every tensor is among
  // them, in its shape.
  void Restore(const Tensors& values, const std::string& source);

 private:
  at::Tensor Keep(const std::string& name, const at::Tensor& value);

  const Options options_;
  Tensors tensors_;
};

// Copies `from` over `to`, tensor by tensor. Throws as Restore.
void CopyInto(const Tensors& to, const Tensors& from, const std::string& source);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_PARAMETERS_H_
