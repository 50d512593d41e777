#include "worker/diffusion/pipelines/embedding_noise.h"

#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {

EmbeddingNoise::EmbeddingNoise(const ModelDirectory& directory, FileParameters::Options options) {
  constexpr char kNormalizer[] = "image_normalizer";
  const Config config = directory.ComponentConfig(kNormalizer);
  const int64_t width = config.Int("embedding_dim", 768);
  if (width < 1 || width > (1 << 16)) config.Unsupported("embedding_dim", "1 to 65536");
  FileParameters weights = directory.ComponentWeights(kNormalizer, options);
  mean_ = Scope(weights).Take("mean", {1, width}).squeeze(0);
  deviation_ = Scope(weights).Take("std", {1, width}).squeeze(0);
  weights.ExpectAllTaken();
  alphas_cumprod_ = AlphasCumprod(
      SamplerConfig::From(directory.ComponentConfig("image_noising_scheduler", "scheduler_config.json")));
}

at::Tensor EmbeddingNoise::operator()(const at::Tensor& embedding, int64_t level, NoiseSource& noise) const {
  const NoiseLevel noised =
      NoiseLevel::Preserving(alphas_cumprod_[static_cast<size_t>(level)], static_cast<double>(level));
  const at::Tensor with_noise = Restored(NoisedTo(noised, Normal(embedding), noise.DrawLike(embedding)));
  const at::Tensor told = SinusoidalEmbedding(at::full({1}, level, embedding.options()), width(),
                                              {.flip_sin_to_cos = true, .freq_shift = 0})
                              .squeeze(0);
  return at::cat({with_noise, told.to(embedding.scalar_type())});
}

}  // namespace mind::diffusion
