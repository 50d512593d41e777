// Latent diffusion by a transformer, of one of a thousand classes: DiT.
// Peebles & Xie 2023; reference: diffusers DiTPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_CLASS_TO_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_CLASS_TO_IMAGE_H_

#include <memory>

#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"

namespace mind::diffusion {

class ClassToImagePipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  // transformer/ may hold the network under diffusers' or under the original's names.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *transformer_; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;

 private:
  ClassToImagePipeline() = default;

  std::unique_ptr<const DiffusionTransformer> transformer_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_CLASS_TO_IMAGE_H_
