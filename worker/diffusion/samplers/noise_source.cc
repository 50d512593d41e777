#include "worker/diffusion/samplers/noise_source.h"

#include <ATen/CPUGeneratorImpl.h>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

SeededNoise::SeededNoise(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

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
