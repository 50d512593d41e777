// Diffusion on an autoencoder's latents, told a prompt: text encoder and UNet together. Rombach et al. 2022;
// velocity: Salimans & Ho 2022; guidance by dropping prompts: Ho & Salimans 2022; min-SNR: Hang et al. 2023.
#ifndef MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_
#define MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_

#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/text/tokenizer.h"
#include "worker/training/captioned_set.h"
#include "worker/training/objective.h"
#include "worker/training/sample_sheet.h"

namespace mind::training {

class TextDiffusion : public Objective {
 public:
  // config.network: {"unet", "text_encoder", "scheduler": the components' configurations, "vae", "tokenizer":
  // folders that the model takes over, "mind": mind.json, if wanted}. Encodes all pictures, once. Throws
  // diffusion::ModelError.
  TextDiffusion(const RunConfig& config, const CaptionedSet& set, Parameters& parameters);

  int64_t count() const override { return latents_.size(0); }
  // E w(t) |target - f_θ(α x0 + σ ε, t, caption)|² with noise or velocity as target (prediction_type), t
  // spread evenly over the batch, one of the picture's captions at random, or none.
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  // A StableDiffusionPipeline's directory, in fp16.
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  // A picture of each of config.prompts.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  at::Tensor TokensOf(const std::vector<int64_t>& examples, StepRandom& random) const;

  const nlohmann::json network_;
  const SampleSheet sheet_;
  const double text_dropout_, min_snr_;
  const at::Device device_;
  const diffusion::SamplerConfig schedule_;
  const std::unique_ptr<const diffusion::Tokenizer> tokenizer_;
  const std::unique_ptr<const diffusion::TextEncoder> text_encoder_;
  const diffusion::UNet unet_;
  std::vector<std::vector<at::Tensor>> captions_;  // of each picture: int64 [length]
  at::Tensor no_caption_;
  at::Tensor latents_;         // float [N, C, h, w]
  at::Tensor signal_, noise_;  // float [T]: α and σ
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_
