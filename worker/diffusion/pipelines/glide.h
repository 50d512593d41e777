// GLIDE: text to a small picture on pixels, and its upsampler. Nichol et al. 2022; reference:
// openai/glide-text2im notebooks/text2im.ipynb.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_GLIDE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_GLIDE_H_

#include <memory>

#include "worker/diffusion/models/glide_text.h"
#include "worker/diffusion/models/super_resolution_gan.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/picture_scorer.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/text/tokenizer.h"
#include "worker/diffusion/weights/names/glide_names.h"

namespace mind::diffusion {

// What the upsampler's noise is multiplied by: less of it to begin with than was trained on makes a sharper
// picture (the notebook's upsample_temp).
constexpr double kGlideUpsampleTemperature = 0.997;

// One stage of GLIDE. A model directory holds base/ and, if it is a cascade, upsampler/, each a config.json
// (the options of model_creation.py) and its weights (OpenAI's as safetensors, or model.ckpt of MindSpore),
// and tokenizer/. With gan/ (Taichu's third stage) the last picture is made larger once more, without
// diffusion.
class GlidePipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  // Width and height are those of the cascade's last picture.
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  std::vector<int64_t> SourceSize(int64_t width, int64_t height) const override {
    return {width / enlarged_later_, height / enlarged_later_};
  }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return (x0 / 2 + 0.5).clamp(0, 1); }
  // The upsampler's, by its own timesteps.
  std::optional<StageSampling> own_sampling() const override {
    if (info_.enlargement == 1) return std::nullopt;
    return StageSampling{info_.default_sampler, info_.default_steps};
  }
  // Of other counts than the upsampler's own the reference's even ones ("timestep_respacing": "50").
  SamplerConfig ConfigFor(int64_t steps) const override;
  const Pipeline* next() const override { return next_.get(); }

 private:
  GlidePipeline() : prompts_(kCachedPrompts) {}

  static constexpr size_t kCachedPrompts = 64;

  static std::unique_ptr<GlidePipeline> LoadStage(const ModelDirectory& directory, const std::string& stage,
                                                  FileParameters::Options options);
  // How many of its tokens there is no room for is added to `cut`.
  at::Tensor EncodePrompt(const std::string& prompt, int64_t& cut) const;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  int64_t enlarged_later_ = 1;  // how much larger the cascade's last picture is than this stage's
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const GlideText> text_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const SuperResolutionGan> gan_;  // of the last stage, or null
  std::unique_ptr<const PictureScorer> scorer_;    // of the first, or null
  std::unique_ptr<const GlidePipeline> next_;
  mutable LruCache<at::Tensor> prompts_;
};

// How the stacked projections of a stage with these options are to be parted. Throws ModelError.
GlideShape GlideShapeOf(const Config& options);
// How a stage is sampled by default: the base as a chain with a learned variance, the upsampler implicitly
// in 27 chosen steps. `respacing` as in RespacedTimesteps; empty: the default. Throws ModelError.
SamplerConfig GlideSampler(const Config& options, const std::string& respacing = "");
// A small picture [B, 3, h, w] as the upsampler is shown it, [B, 3, H, W].
at::Tensor GlideLowResolution(const at::Tensor& picture, at::IntArrayRef size);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_GLIDE_H_
