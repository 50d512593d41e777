// DeepFloyd-IF: text to a small picture on pixels, and what makes it four times larger, published as models
// of their own. After Saharia et al. 2022 (Imagen); reference: diffusers IFPipeline, IFImg2ImgPipeline,
// IFInpaintingPipeline, IFSuperResolutionPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_DEEPFLOYD_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_DEEPFLOYD_H_

#include <memory>
#include <vector>

#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/floyd_text.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// The first stage. It begins from a picture as others do; where it paints into one, what the mask leaves
// alone stays clean in every step.
class FloydPipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override {
    return {3, height, width};
  }
  ResizeFilter source_filter() const override { return ResizeFilter::kBicubic; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override { return (latent / 2 + 0.5).clamp(0, 1); }
  at::Tensor Encode(const at::Tensor& picture, NoiseSource&) const override { return picture * 2 - 1; }
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return Decode(x0); }

  const std::shared_ptr<const FloydText>& text() const { return text_; }

 protected:
  FloydPipeline() = default;
  void LoadParts(const ModelDirectory& directory, ModelInfo info, std::shared_ptr<const FloydText> text,
                 FileParameters::Options options);

  ModelInfo info_;
  at::Device device_ = at::kCPU;

 private:
  SamplerConfig sampler_config_;
  std::shared_ptr<const FloydText> text_;
  std::unique_ptr<const UNet> unet_;
};

// The stage that enlarges. The network sees the small picture, enlarged and with noise on it, beside x, and
// is told how much. In a cascade after the first stage its prompts are read by that one's text encoder, and
// it need not have any.
class FloydEnlarger : public FloydPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);
  // REQUIRES: `first` is a cascade's first stage, a FloydPipeline.
  static std::unique_ptr<const Pipeline> LoadBeside(const ModelDirectory& directory,
                                                    FileParameters::Options options, const Pipeline& first);

  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // Goes on from Source::result, the small picture as it was denoised, or from its picture. Draws x, then the
  // small picture's noise, as the reference does.
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;

 private:
  FloydEnlarger() = default;
  static std::unique_ptr<const Pipeline> LoadWith(const ModelDirectory& directory,
                                                  std::shared_ptr<const FloydText> text,
                                                  FileParameters::Options options);

  std::vector<double> noise_alphas_;  // cumulative, of the schedule of the small picture's noise
};

// A small picture [B, 3, h, w] as large as `size` says, corner pixels on corner pixels.
at::Tensor FloydEnlarged(const at::Tensor& picture, at::IntArrayRef size);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_DEEPFLOYD_H_
