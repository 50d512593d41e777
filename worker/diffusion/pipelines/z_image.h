// Z-Image: text to picture by rectified flow on latents, in Chinese and English; and Z-Image-Turbo, which is
// the same network distilled to few steps. Reference: diffusers ZImagePipeline, ZImageImg2ImgPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_H_

#include <memory>

#include "worker/diffusion/models/z_image_transformer.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"
#include "worker/diffusion/pipelines/z_image_text.h"

namespace mind::diffusion {

// A scale of guidance of 1 is none, as with every model here: it is the reference's plus one, which is 0
// where there is none.
class ZImagePipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  // transformer/ may hold the network under diffusers' or under its authors' names.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *transformer_; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;

  const ZImageText& text() const { return *text_; }

 private:
  ZImagePipeline() = default;

  double longest_ = 0;  // Conditioning::longest
  std::unique_ptr<const ZImageText> text_;
  std::unique_ptr<const ZImageTransformer> transformer_;
  std::unique_ptr<const AdapterLibrary> adapters_;  // of the transformer
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_Z_IMAGE_H_
