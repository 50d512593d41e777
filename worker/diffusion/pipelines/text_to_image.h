// Latent text-to-image diffusion: Stable Diffusion 1.x and 2.x and models of their make.
// Rombach et al. 2022; reference: diffusers StableDiffusionPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_

#include <memory>

#include "worker/diffusion/models/text_encoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

class TextToImagePipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *unet_; }
  Conditioning Condition(const PictureRequest& request) const override;

  // The parts, for whoever checks them one by one.
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const TextEncoder& text_encoder() const { return *text_encoder_; }

 protected:
  TextToImagePipeline() : prompts_(kCachedPrompts) {}

  // What holds for every model with a prompt.
  static void DescribeText(const ModelDirectory& directory, ModelInfo& info);
  void LoadParts(const ModelDirectory& directory, ModelInfo info, FileParameters::Options options);

 private:
  // → float [M, width]
  at::Tensor EncodePrompt(const std::string& prompt, int64_t clip_skip, const PictureRequest& request,
                          const AdapterSet& adapters) const;

  static constexpr size_t kCachedPrompts = 256;

  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const TextEncoder> text_encoder_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const AdapterLibrary> adapters_;
  mutable LruCache<at::Tensor> prompts_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
