#include "worker/diffusion/samplers/heun.h"

#include "worker/diffusion/samplers/denoised.h"

namespace mind::diffusion {

Task HeunSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const double sigma = schedule_.sigmas[i];
  const double next = schedule_.sigmas[i + 1];
  const at::Tensor x = state.x;
  at::Tensor output = co_await evaluate(SigmaSchedule::Scaled(x, sigma), schedule_.timesteps[i]);
  state.denoised = Limit(config_, EstimateX0(config_.prediction, output, x, sigma));
  const at::Tensor slope = (x - state.denoised) / sigma;
  state.x = x + slope * (next - sigma);
  if (next == 0) co_return;

  output = co_await evaluate(SigmaSchedule::Scaled(state.x, next), schedule_.timesteps[i + 1]);
  state.denoised = Limit(config_, EstimateX0(config_.prediction, output, state.x, next));
  const at::Tensor slope_there = (state.x - state.denoised) / next;
  state.x = x + (slope + slope_there) / 2 * (next - sigma);
}

}  // namespace mind::diffusion
