#include "worker/diffusion/samplers/euler.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Levels evenly in log sigma go to the table's smallest; the reference counts a last one that it never
// reaches.
bool EndsInTheTable(const SamplerConfig& c) {
  return c.log_linear && c.sigmas == SigmaSpacing::kPlain && c.custom_sigmas.empty();
}

}  // namespace

EulerSampler::EulerSampler(const SamplerConfig& config, NoiseLevels levels)
    : LevelSampler(config, std::move(levels)),
      churned_levels_(static_cast<double>(steps() + (EndsInTheTable(config_) ? 1 : 0))) {
  if (config_.churn > 0 && levels_.levels.front().alpha != 1) {
    throw RequestError("churn must be 0 for a model of this kind: its noise levels cannot be raised");
  }
}

Task EulerSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state);
  const at::Tensor output = co_await evaluate(NetworkInput(config_, state.x, from), LevelTold(config_, from));

  const bool churns = config_.churn > 0 && from.sigma >= config_.churn_min && from.sigma <= config_.churn_max;
  const double gamma = churns ? std::min(config_.churn / churned_levels_, std::sqrt(2.0) - 1) : 0;
  NoiseLevel raised = from;
  if (gamma > 0) {
    raised.sigma = from.sigma * (gamma + 1);
    const double added = std::sqrt(raised.sigma * raised.sigma - from.sigma * from.sigma);
    state.x = state.x + state.noise->DrawLike(state.x) * (config_.noise_scale * added);
  }
  // The velocity form is read at the unraised sigma, as the reference does.
  const bool velocity = config_.prediction == Prediction::kVelocity;
  Denoised estimate = Estimate(config_, output, state.x, velocity ? from : raised);
  state.denoised = estimate.x0;
  if (gamma > 0) estimate.noise = (state.x - estimate.x0) / raised.sigma;
  state.x = Noised(estimate, To(state));
}

}  // namespace mind::diffusion
