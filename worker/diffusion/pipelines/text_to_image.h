// Latent text-to-image diffusion: Stable Diffusion 1.x and 2.x and models of their make.
// Rombach et al. 2022; reference: diffusers StableDiffusionPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_

#include <memory>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/latent_preview.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/prompt_cache.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class TextToImagePipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  Conditioning Condition(const PictureRequest& request) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return (*preview_)(x0); }

  // The parts, for whoever checks them one by one.
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // float [M, width]
  at::Tensor EncodePrompt(const std::string& prompt, int64_t clip_skip) const;

 private:
  TextToImagePipeline() : prompts_(kCachedPrompts) {}

  static constexpr size_t kCachedPrompts = 256;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const TextEncoder> text_encoder_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const AutoencoderKl> autoencoder_;
  std::unique_ptr<const LatentPreview> preview_;
  mutable PromptCache prompts_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
