#include "worker/diffusion/samplers/euler_ancestral.h"

#include <cmath>

#include "worker/diffusion/samplers/denoised.h"

namespace mind::diffusion {

Task EulerAncestralSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const double sigma = schedule_.sigmas[i];
  const double next = schedule_.sigmas[i + 1];
  const at::Tensor output = co_await evaluate(SigmaSchedule::Scaled(state.x, sigma), schedule_.timesteps[i]);

  const double up = std::sqrt(next * next * (sigma * sigma - next * next) / (sigma * sigma));
  const double down = std::sqrt(next * next - up * up);
  state.denoised = EstimateX0(prediction_, output, state.x, sigma);
  state.x =
      state.x + (state.x - state.denoised) * ((down - sigma) / sigma) + state.noise->DrawLike(state.x) * up;
}

}  // namespace mind::diffusion
