// The autoencoder between pictures and latents. Kingma & Welling 2014; Rombach et al. 2022, sec. 3.1, without
// an adversary.
#ifndef MIND_WORKER_TRAINING_AUTOENCODER_H_
#define MIND_WORKER_TRAINING_AUTOENCODER_H_

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/training/captioned_set.h"
#include "worker/training/objective.h"
#include "worker/training/reconstruction_loss.h"

namespace mind::training {

class Autoencoder : public Objective {
 public:
  // config.network: vae/config.json to be. Throws diffusion::ModelError.
  Autoencoder(const RunConfig& config, CaptionedSet set, Parameters& parameters);

  int64_t count() const override { return set_.count(); }
  // The reconstruction's, and kl_weight · KL(q(z | x) ‖ N(0, 1)), a mean.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  // A vae/ folder. The latents' mean and deviation, channel by channel over the examples, are folded into its
  // 1x1 convolutions, so that the latents a denoiser learns have none.
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;
  // Pictures, and what becomes of them.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  const CaptionedSet set_;
  const nlohmann::json network_;
  const double kl_weight_;
  const at::Device device_;
  const ReconstructionLoss reconstruction_loss_;
  const diffusion::AutoencoderKl autoencoder_;
};

// The means of the latents of the first `count` examples, float [count, C, h, w], unscaled.
at::Tensor LatentsOf(const diffusion::AutoencoderKl& autoencoder, const CaptionedSet& set, int64_t count,
                     at::Device device);

// Reads the autoencoder in a vae/ folder.
diffusion::AutoencoderKl ReadAutoencoder(const std::string& folder, at::Device device);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_AUTOENCODER_H_
