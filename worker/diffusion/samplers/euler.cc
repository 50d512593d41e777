#include "worker/diffusion/samplers/euler.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/denoised.h"

namespace mind::diffusion {

Task EulerSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const double sigma = schedule_.sigmas[i];
  const at::Tensor output = co_await evaluate(SigmaSchedule::Scaled(state.x, sigma), schedule_.timesteps[i]);

  const bool churns = config_.churn > 0 && sigma >= config_.churn_min && sigma <= config_.churn_max;
  const double gamma =
      churns ? std::min(config_.churn / static_cast<double>(steps()), std::sqrt(2.0) - 1) : 0;
  const double raised = sigma * (gamma + 1);
  at::Tensor x = state.x;
  if (gamma > 0) {
    x = x + state.noise->DrawLike(x) * (config_.churn_noise * std::sqrt(raised * raised - sigma * sigma));
  }
  // The velocity form is read at the unraised sigma, as the reference does.
  state.denoised =
      EstimateX0(config_.prediction, output, x, config_.prediction == Prediction::kVelocity ? sigma : raised);
  state.x = x + (x - state.denoised) * ((schedule_.sigmas[i + 1] - raised) / raised);
}

}  // namespace mind::diffusion
