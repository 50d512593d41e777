// Latent diffusion that makes pictures larger: the UNet sees the small picture, with a little noise on it,
// beside its latents. Ho et al. 2022 (cascaded diffusion), sec. 4.2; StableDiffusionUpscalePipeline.
#ifndef MIND_WORKER_TRAINING_UPSCALING_H_
#define MIND_WORKER_TRAINING_UPSCALING_H_

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/training/captioned_set.h"
#include "worker/training/captions.h"
#include "worker/training/denoising_loss.h"
#include "worker/training/objective.h"

namespace mind::training {

class Upscaling : public Objective {
 public:
  // config.network: {"unet", "scheduler", "low_res_scheduler": configurations, "vae", "text_encoder",
  // "tokenizer": folders that the model takes over as they are, "max_noise_level": most noise on the small
  // picture, in steps of low_res_scheduler, "mind": mind.json, if wanted}. The pictures are the large ones;
  // the small ones have a pixel for each of their latents. Encodes all, once. Throws diffusion::ModelError.
  Upscaling(const RunConfig& config, const CaptionedSet& set, Parameters& parameters);

  int64_t count() const override { return latents_.size(0); }
  // On squares of config.crop latents, where that is not 0. Half of the small pictures are what the
  // autoencoder makes of them at their size, as a cascade's first stage's are.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  // A StableDiffusionUpscalePipeline's directory, in fp16.
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;
  // Rows of small pictures and of what becomes of them.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  void Encode(const diffusion::AutoencoderKl& autoencoder, const CaptionedSet& set);

  const nlohmann::json network_;
  const at::Device device_;
  const int64_t crop_, max_noise_level_;
  const DenoisingLoss loss_;
  const std::unique_ptr<const diffusion::Tokenizer> tokenizer_;
  const Captions captions_;
  const diffusion::UNet unet_;
  std::unique_ptr<const diffusion::TextEncoder> text_encoder_;
  at::Tensor low_signal_, low_noise_;  // float [max_noise_level + 1]: α and σ of the small picture's noise
  std::vector<std::string> shown_captions_;
  at::Tensor latents_;                // float [N, C, h, w]
  at::Tensor small_, small_decoded_;  // float [N, 3, h, w] from -1 to 1
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_UPSCALING_H_
