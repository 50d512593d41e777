#include "worker/diffusion/samplers/flow_heun.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

// dx / dsigma.
at::Tensor Slope(const Denoised& estimate) {
  return estimate.noise - estimate.x0;
}

}  // namespace

Task FlowHeunSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const Denoised here = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = here.x0;
  at::Tensor x = state.x, slope = Slope(here);
  double sigma = from.sigma;
  if (config_.churn > 0 && sigma >= config_.churn_min && sigma <= config_.churn_max) {
    // Spread over the evaluations, of which the reference counts levels; asked for before it is stirred.
    const double share = config_.churn / static_cast<double>(2 * steps() - 1);
    sigma *= 1 + std::min(share, std::sqrt(2.0) - 1);
    const double added = std::sqrt(sigma * sigma - from.sigma * from.sigma);
    x = x + state.noise->DrawLike(x) * (config_.noise_scale * added);
    slope = slope * (from.sigma / sigma);
  }
  state.x = x + slope * (to.sigma - sigma);
  if (to.sigma == 0) co_return;

  const Denoised there = co_await Denoise(config_, evaluate, state.x, to);
  state.denoised = there.x0;
  state.x = x + (slope + Slope(there)) / 2 * (to.sigma - sigma);
}

}  // namespace mind::diffusion
