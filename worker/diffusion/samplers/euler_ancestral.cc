#include "worker/diffusion/samplers/euler_ancestral.h"

#include <cmath>

namespace mind::diffusion {

AncestralStep AncestralStep::Between(double from, double to) {
  const double up = std::sqrt(to * to * (from * from - to * to) / (from * from));
  return {std::sqrt(to * to - up * up), up};
}

Task EulerAncestralSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const auto [down, up] = AncestralStep::Between(From(state).sigma, To(state).sigma);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  state.x = Noised(estimate, {1, down, 0});
  if (up > 0) state.x = state.x + state.noise->DrawLike(state.x) * (up * config_.noise_scale);
}

}  // namespace mind::diffusion
