// SDXL: two text encoders, and a denoiser that is told the prompt as a whole and what frame the picture is
// cut out of. Base, refiner, inpainting, distilled students. Podell et al. 2023; reference: diffusers
// StableDiffusionXLPipeline and its Img2Img and Inpaint.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_XL_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_XL_H_

#include <memory>
#include <string>

#include "worker/diffusion/pipelines/text_to_image.h"

namespace mind::diffusion {

// Guidance leads away from the negative prompt only above 1. A student that is told the guidance scale
// (time_cond_proj_dim) takes one row whatever it is.
class StableDiffusionXlPipeline : public TextToImagePipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;

 private:
  StableDiffusionXlPipeline() = default;

  // By all encoders, side by side, `least` tokens long or longer.
  EncodedPrompt Encode(const std::string& prompt, const std::string& prompt_2,
                       const PromptEncoder::Wish& wish, int64_t least = 0) const;
  // One row for x of these pixels.
  Told Row(const EncodedPrompt& prompt, const FrameSizes& sizes, double aesthetic_score,
           const FrameSizes::Pair& picture) const;

  bool zeros_without_negative_ = true;  // the row without a negative prompt is told zeros, not an empty text
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_XL_H_
