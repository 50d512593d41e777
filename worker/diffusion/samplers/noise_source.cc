#include "worker/diffusion/samplers/noise_source.h"

#include <ATen/CPUGeneratorImpl.h>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

SeededNoise::SeededNoise(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

at::Tensor BetweenNoises(const at::Tensor& one, const at::Tensor& other, double share) {
  const int64_t last = one.dim() - 2;
  const int64_t rows = last >= 0 && one.size(last) > 1 ? last : 0;  // of an embedding, all of it
  const auto unit = [rows](const at::Tensor& x) { return x / x.square().sum(rows, /*keepdim=*/true).sqrt(); };
  const at::Tensor cosine = (unit(one) * unit(other)).sum(rows, /*keepdim=*/true);
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
