// An autoencoder's decoder learns on while its encoder stays: the latents keep their meaning, so that models
// trained on them draw better with no training of their own (as Stability's sd-vae-ft-mse was made).
#ifndef MIND_WORKER_TRAINING_DECODER_H_
#define MIND_WORKER_TRAINING_DECODER_H_

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/training/captioned_set.h"
#include "worker/training/objective.h"
#include "worker/training/reconstruction_loss.h"

namespace mind::training {

class Decoder : public Objective {
 public:
  // config.network: {"vae": folder of the autoencoder to begin with}. Throws diffusion::ModelError.
  Decoder(const RunConfig& config, CaptionedSet set, Parameters& parameters);

  int64_t count() const override { return set_.count(); }
  // The reconstruction's; on squares of config.crop latents, where that is not 0.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  // A vae/ folder: the one begun with, but for the decoder.
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;
  // Pictures, and what becomes of them.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  const CaptionedSet set_;
  const std::string folder_;
  const int64_t crop_;
  const at::Device device_;
  const ReconstructionLoss reconstruction_loss_;
  const diffusion::AutoencoderKl autoencoder_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_DECODER_H_
