#include "worker/diffusion/samplers/noise_source.h"

#include <ATen/CPUGeneratorImpl.h>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

SeededNoise::SeededNoise(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

namespace {

// The dimension along which numbers make up a vector that has an angle: the rows of a picture, each
// embedding.
int64_t AlongVectors(const at::Tensor& noise) {
  if (noise.dim() < 3) return noise.dim() - 1;
  const int64_t rows = noise.dim() - 2;
  return noise.size(rows) > 1 ? rows : 0;
}

}  // namespace

at::Tensor BetweenNoises(const at::Tensor& one, const at::Tensor& other, double share) {
  constexpr double kMostCosine = 1 - 1e-6;  // beyond it the sine, by which is divided, is nearly nothing
  const int64_t along = AlongVectors(one);
  const auto unit = [along](const at::Tensor& x) {
    return x / x.square().sum(along, /*keepdim=*/true).sqrt();
  };
  const at::Tensor cosine =
      (unit(one) * unit(other)).sum(along, /*keepdim=*/true).clamp(-kMostCosine, kMostCosine);
  if (cosine.mean().item<double>() > 0.9995) return one * (1 - share) + other * share;  // nearly no angle
  const at::Tensor angle = at::acos(cosine), sine = at::sin(angle);
  return at::sin((1 - share) * angle) / sine * one + at::sin(share * angle) / sine * other;
}

at::Tensor SeededNoise::Draw(at::IntArrayRef shape) {
  return at::randn(shape, generator_, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor SeededNoise::State() const {
  return generator_.get_state();
}

void SeededNoise::Restore(const at::Tensor& state) {
  const at::Tensor current = State();
  if (!state.defined() || state.scalar_type() != at::kByte || state.sizes() != current.sizes()) {
    throw CheckpointError("the generator state is not one of this program's");
  }
  try {
    generator_.set_state(state.clone());
  } catch (const c10::Error& e) {
    throw CheckpointError(std::string("the generator state is damaged: ") + e.what_without_backtrace());
  }
}

}  // namespace mind::diffusion
