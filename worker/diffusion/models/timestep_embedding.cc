#include "worker/diffusion/models/timestep_embedding.h"

#include <cmath>

namespace mind::diffusion {

at::Tensor SinusoidalEmbedding(const at::Tensor& timesteps, int64_t width, const SinusoidOptions& options) {
  const int64_t half = width / 2;
  at::Tensor exponent = at::arange(half, at::TensorOptions().dtype(at::kFloat).device(timesteps.device()));
  exponent = exponent * -std::log(options.max_period) / (static_cast<double>(half) - options.freq_shift);
  const at::Tensor angle =
      options.scale * (timesteps.to(at::kFloat).unsqueeze(1) * at::exp(exponent).unsqueeze(0));
  const at::Tensor sin = at::sin(angle);
  const at::Tensor cos = at::cos(angle);
  const at::Tensor embedding = options.flip_sin_to_cos ? at::cat({cos, sin}, 1) : at::cat({sin, cos}, 1);
  return width % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1}, 0);
}

at::Tensor GuidanceEmbedding(double guidance, int64_t width) {
  // Trained on the scale that is 0 without guidance, in thousandths as timesteps are.
  const at::Tensor scale = at::full({1}, guidance - 1, at::kFloat) * 1000.0;
  return SinusoidalEmbedding(scale, width, {.flip_sin_to_cos = false, .freq_shift = 1}).squeeze(0);
}

at::Tensor FourierFeatures(const at::Tensor& x, const at::Tensor& frequencies) {
  const at::Tensor angle = x.unsqueeze(1) * frequencies.unsqueeze(0) * (2 * 3.14159265358979323846);
  return at::cat({at::sin(angle), at::cos(angle)}, 1);
}

}  // namespace mind::diffusion
