#include "worker/diffusion/samplers/ipndm.h"

#include <algorithm>

#include "worker/diffusion/samplers/adams_bashforth.h"

namespace mind::diffusion {
namespace {

constexpr double kLeastAlpha = 1e-8;  // the first level of a cosine network holds no signal (reference)

}  // namespace

Task IpndmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = estimate.x0;
  Remember(state.history, estimate.noise, 4);
  const at::Tensor noise = AdamsBashforth(state.history);
  const at::Tensor x0 = (state.x - from.sigma * noise) / std::max(from.alpha, kLeastAlpha);
  state.x = To(state).alpha * x0 + To(state).sigma * noise;
}

}  // namespace mind::diffusion
