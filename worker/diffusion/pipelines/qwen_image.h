// Qwen-Image: pictures of a prompt in Chinese or English, with a language model
// for its text encoder; from noise or from a picture. Wu et al. 2025;
// reference: diffusers QwenImagePipeline, QwenImageImg2ImgPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_H_

#include <memory>
#include <optional>
#include <vector>

#include "worker/diffusion/models/autoencoder_wan.h"
#include "worker/diffusion/models/qwen_image_transformer.h"
#include "worker/diffusion/pipelines/latent_preview.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/qwen_image_text.h"

namespace mind::diffusion {

class QwenImagePipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *transformer_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  // Guidance leads away from the negative prompt, or from a space, only above
  // 1, and leaves every token as long as it was.
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return (*preview_)(x0); }

  // For whoever checks it.
  const QwenImageText& text() const { return *text_; }
  const QwenImageConfig& transformer_config() const { return transformer_->config(); }

 protected:
  // What is not asked for where a request does not say it.
  static constexpr char kNothing[] = " ";

  QwenImagePipeline() = default;
  // All but what reads prompts.
  void LoadParts(const ModelDirectory& directory, ModelInfo info, FileParameters::Options options);

  // A request's guidance and LoRAs, with no rows yet: it is one of two rows if that is
  // above 1.
  Conditioning Guided(const PictureRequest& request) const;
  // What the encoder makes of a picture, as it is made.
  LatentDistribution LatentsOf(const at::Tensor& picture) const;

  ModelInfo info_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<const AutoencoderWan> autoencoder_;

 private:
  // Latents each way, where a picture is taken in tiles.
  int64_t Tile() const;

  SamplerConfig sampler_config_;
  std::unique_ptr<const QwenImageText> text_;
  std::unique_ptr<const QwenImageTransformer> transformer_;
  std::unique_ptr<const AdapterLibrary> adapters_;  // of the transformer
  std::optional<LatentPreview> preview_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_H_
