// Latent diffusion that makes a picture four times larger: Stable Diffusion's x4 upscaler.
// Reference: diffusers StableDiffusionUpscalePipeline; noise conditioning: Ho et al. 2022 (cascaded),
// sec. 4.2.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_UPSCALE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_UPSCALE_H_

#include <memory>
#include <vector>

#include "worker/diffusion/pipelines/text_to_image.h"

namespace mind::diffusion {

// The network sees the small picture, with a little noise on it, beside its latents, and is told how much.
class UpscalePipeline : public TextToImagePipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // Draws the noise of the small picture first, then the latents', as the reference does.
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;

 private:
  UpscalePipeline() = default;

  std::vector<double> low_resolution_alphas_;  // cumulative, of the schedule of that noise
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_UPSCALE_H_
