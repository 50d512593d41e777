// FLUX.1: dev, which is told its guidance scale, schnell, which needs none, Kontext, which changes a picture
// as the prompt says, and Fill, which paints into one. Reference: diffusers FluxPipeline and its Img2Img,
// Inpaint, Kontext and Fill; black-forest-labs/flux.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_FLUX_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_FLUX_H_

#include <array>
#include <memory>
#include <string>

#include "worker/diffusion/models/flux_transformer.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"
#include "worker/diffusion/pipelines/prompt_encoder.h"
#include "worker/diffusion/pipelines/t5_prompts.h"

namespace mind::diffusion {

// The prompt is read twice: as a whole by CLIP, which sees no more than its 77 tokens, and token by token by
// T5, or T5 reads prompt_2.
class FluxPipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *transformer_; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;

  // The parts, for whoever checks them one by one.
  const PromptEncoder& whole_prompts() const { return *clip_; }
  const T5Prompts& prompts() const { return *t5_; }

 private:
  FluxPipeline() = default;

  Told Row(const std::string& prompt, const std::string& prompt_2, const PromptEncoder::Wish& wish,
           double guidance, int64_t& cut) const;
  // Of Fill: draws of the picture, the noise, and of the picture without what is to be painted.
  Start BeginFill(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const;
  // Of Kontext, which begins with noise and goes by the picture.
  Start BeginKontext(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const;

  bool keeps_reference_size_ = false;
  double true_guidance_ = 1;  // of a model that is told its scale: away from a request's negative prompt
  std::unique_ptr<const PromptEncoder> clip_;
  std::unique_ptr<const T5Prompts> t5_;
  std::unique_ptr<const FluxTransformer> transformer_;
  std::unique_ptr<const AdapterLibrary> adapters_;
};

// Width and height that Kontext sees a picture of such a size at: of those that it was trained at, all of
// about as many pixels, the one of the nearest proportions. `multiple`: pixels of a token, each way.
std::array<int64_t, 2> KontextSize(int64_t width, int64_t height, int64_t multiple);

// A mask [1, H, W] as channels of the latents, each of which stands for `reduction` pixels each way: a
// channel for each of its pixels, [reduction², H / reduction, W / reduction].
at::Tensor MaskChannels(const at::Tensor& mask, int64_t reduction);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_FLUX_H_
