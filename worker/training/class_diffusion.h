// The report's DDPM: pixels, with or without classes. Ho et al. 2020, algorithm 1; the network and its
// defaults: abarankab/DDPM.
#ifndef MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_
#define MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/models/unet.h"
#include "worker/training/objective.h"

namespace mind::training {

class ClassDiffusion : public Objective {
 public:
  // `network`: the model's config.json to be (arguments of the report's UNet, "num_timesteps", "schedule":
  // linear or cosine, "class_names", "dropout"). Throws diffusion::ModelError.
  ClassDiffusion(Parameters& parameters, nlohmann::json network);

  // E |ε - ε_θ(√ᾱ x0 + √(1 - ᾱ) ε, t, y)|², t even over the steps. Ho et al. 2020, eq. 14.
  at::Tensor Loss(const Examples& examples, StepRandom& random) const override;
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;

  int64_t extent() const { return unet_.config().sample_size; }
  int64_t class_count() const { return unet_.config().class_count; }

 private:
  const nlohmann::json network_;
  const diffusion::UNet unet_;
  const double dropout_;
  at::Tensor betas_;           // float64 [T]
  at::Tensor signal_, noise_;  // float [T]: √ᾱ and √(1 - ᾱ), on the device
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_
