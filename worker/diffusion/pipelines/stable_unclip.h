// Stable unCLIP: Stable Diffusion 2 that is told a picture's embedding beside the prompt, the embedding made
// of the prompt by a prior or of the request's picture. Reference: diffusers StableUnCLIPPipeline,
// StableUnCLIPImg2ImgPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_STABLE_UNCLIP_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_STABLE_UNCLIP_H_

#include <memory>

#include "worker/diffusion/pipelines/embedding_noise.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/text_to_image.h"

namespace mind::diffusion {

// The embedding, with as much noise as the request's noise_level says, joins the time embedding; guidance
// leads away from the negative prompt and from no embedding at all.
class StableUnclipPipeline : public TextToImagePipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  // The first stage: a prior, or, where the model varies pictures, this.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override;

  // For whoever checks it. REQUIRES: info().varies
  const PictureEncoder& pictures() const { return *pictures_; }

 private:
  StableUnclipPipeline() = default;

  // [P]: what the picture is that is to be made, without noise.
  at::Tensor EmbeddingOf(const Source& source) const;

  std::unique_ptr<const EmbeddingNoise> embedding_noise_;
  std::unique_ptr<const PictureEncoder> pictures_;  // null: the embedding is the prior's
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_STABLE_UNCLIP_H_
