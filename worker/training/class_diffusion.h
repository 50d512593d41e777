// The report's DDPM: pixels, with or without classes. Ho et al. 2020, algorithm 1; the network and its
// defaults: abarankab/DDPM.
#ifndef MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_
#define MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/models/unet.h"
#include "worker/training/objective.h"
#include "worker/training/picture_set.h"
#include "worker/training/sample_sheet.h"

namespace mind::training {

class ClassDiffusion : public Objective {
 public:
  // config.network: the model's config.json to be (arguments of the report's UNet, "num_timesteps",
  // "schedule": linear or cosine, "class_names", "dropout"). Throws diffusion::ModelError, also where the
  // pictures are none for this network.
  ClassDiffusion(const RunConfig& config, PictureSet pictures, Parameters& parameters);

  int64_t count() const override { return pictures_.count(); }

  // E |ε - ε_θ(√ᾱ x0 + √(1 - ᾱ) ε, t, y)|², t even over the steps. Ho et al. 2020, eq. 14.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;

  // A column a class, where it has classes.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  void ExpectPicturesForNetwork() const;

  const PictureSet pictures_;
  const SampleSheet sheet_;
  const nlohmann::json network_;
  const diffusion::UNet unet_;
  const double dropout_;
  at::Tensor betas_;           // float64 [T]
  at::Tensor signal_, noise_;  // float [T]: √ᾱ and √(1 - ᾱ), on the device
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_CLASS_DIFFUSION_H_
