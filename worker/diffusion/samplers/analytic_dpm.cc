#include "worker/diffusion/samplers/analytic_dpm.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

NoiseLevels AnalyticLevels(const SamplerConfig& c, int64_t steps) {
  if (c.x0_errors.size() != static_cast<size_t>(c.train_steps)) {
    throw RequestError(
        "this model has no x0 errors, which analytic_dpm needs: make them with mind-trajectory");
  }
  const std::vector<double> alphas = AlphasCumprod(c);
  NoiseLevels result;
  for (const int64_t t : TrainingSteps(c, steps, Spacing::kLeading)) {
    result.levels.push_back(NoiseLevel::Preserving(alphas[static_cast<size_t>(t)], static_cast<double>(t)));
  }
  result.levels.push_back({1, 0, 0});
  return result;
}

std::vector<double> ErrorsAt(const SamplerConfig& config, const NoiseLevels& levels) {
  std::vector<double> errors;
  for (int64_t i = 0; i < levels.steps(); ++i) {
    errors.push_back(config.x0_errors[static_cast<size_t>(levels[static_cast<size_t>(i)].timestep)]);
  }
  return errors;
}

}  // namespace

AnalyticDpmSampler::AnalyticDpmSampler(const SamplerConfig& config, NoiseLevels levels,
                                       std::vector<double> x0_errors)
    : LevelSampler(config, std::move(levels)), x0_errors_(std::move(x0_errors)) {}

AnalyticDpmSampler::AnalyticDpmSampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, AnalyticLevels(config, steps)), x0_errors_(ErrorsAt(config_, levels_)) {}

Task AnalyticDpmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = estimate.x0;

  const double a = from.alpha_cumprod(), a_next = to.alpha_cumprod();
  const double kept = 1 - a_next;  // the variance of the next level
  const double forward = config_.eta * config_.eta * kept / (1 - a) * (1 - a / a_next);
  const double direction = std::sqrt(kept - forward);
  // How far another x0 would move the mean, and how uncertain x0 is.
  const double lever = to.alpha - direction * from.alpha / from.sigma;
  const double variance = forward + lever * lever * x0_errors_[static_cast<size_t>(state.step)];

  state.x = to.alpha * estimate.x0 + direction * estimate.noise;
  if (estimate.lead.defined()) state.x = state.x + variance * estimate.lead;
  // The last step shows the mean, as every ancestral sampler does.
  if (to.sigma > 0) state.x = state.x + std::sqrt(variance) * state.noise->DrawLike(state.x);
}

}  // namespace mind::diffusion
