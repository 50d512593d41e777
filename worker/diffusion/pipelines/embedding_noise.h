// Noise on a picture's embedding, for models that are told how much of it there is: the more, the freer they
// are with the picture. Reference: diffusers StableUnCLIPPipeline.noise_image_embeddings; Stability AI's
// stablediffusion, ldm/modules/encoders/modules.py.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_EMBEDDING_NOISE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_EMBEDDING_NOISE_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class EmbeddingNoise {
 public:
  // From the folders image_normalizer/ and image_noising_scheduler/. Throws ModelError.
  EmbeddingNoise(const ModelDirectory& directory, FileParameters::Options options);

  // Embeddings [.., width] to zero mean and unit variance, and back.
  at::Tensor Normal(const at::Tensor& embedding) const { return (embedding - mean_) / deviation_; }
  at::Tensor Restored(const at::Tensor& normal) const { return normal * deviation_ + mean_; }
  // [width] → [2·width]: with this much noise, which is drawn at level 0 too, and the level embedded beside
  // it. REQUIRES: 0 ≤ level ≤ most()
  at::Tensor operator()(const at::Tensor& embedding, int64_t level, NoiseSource& noise) const;

  int64_t width() const { return mean_.size(0); }
  int64_t most() const { return static_cast<int64_t>(alphas_cumprod_.size()) - 1; }

 private:
  at::Tensor mean_, deviation_;  // [width]
  std::vector<double> alphas_cumprod_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_EMBEDDING_NOISE_H_
