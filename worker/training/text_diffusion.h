// Diffusion on an autoencoder's latents, told a prompt: text encoder and UNet together. Rombach et al. 2022.
#ifndef MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_
#define MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_

#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/training/captioned_set.h"
#include "worker/training/captions.h"
#include "worker/training/denoising_loss.h"
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
  at::Tensor Loss(const std::vector<int64_t>& examples, StepRandom& random) const override;
  // A StableDiffusionPipeline's directory, in fp16.
  void WriteModel(const std::string& directory, const Tensors& parameters) const override;
  Tensors ReadModel(const std::string& directory) const override;
  // A picture of each of config.prompts.
  std::string DrawSheet(const std::string& directory, int threads) const override;

 private:
  const nlohmann::json network_;
  const SampleSheet sheet_;
  const at::Device device_;
  const DenoisingLoss loss_;
  const std::unique_ptr<const diffusion::Tokenizer> tokenizer_;
  const Captions captions_;
  const std::unique_ptr<const diffusion::TextEncoder> text_encoder_;
  const diffusion::UNet unet_;
  at::Tensor latents_;  // float [N, C, h, w]
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_TEXT_DIFFUSION_H_
