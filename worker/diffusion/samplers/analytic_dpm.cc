#include "worker/diffusion/samplers/analytic_dpm.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

NoiseLevels Levels(const SamplerConfig& c, int64_t steps) {
  if (c.noise_moments.size() != static_cast<size_t>(c.train_steps)) {
    throw RequestError("this model has no noise moments, which analytic_dpm needs: make them with mind-trajectory");
  }
  const std::vector<double> alphas = AlphasCumprod(c);
  NoiseLevels result;
  for (const int64_t t : TrainingSteps(c, steps, Spacing::kLeading)) {
    result.levels.push_back(
        NoiseLevel::Preserving(alphas[static_cast<size_t>(t)], static_cast<double>(t)));
  }
  if (result.levels.front().alpha == 0) {
    throw RequestError("analytic_dpm cannot start where there is no signal at all (zero terminal SNR)");
  }
  result.levels.push_back({1, 0, 0});
  return result;
}

std::vector<double> MomentsAt(const SamplerConfig& config, const NoiseLevels& levels) {
  std::vector<double> moments;
  for (int64_t i = 0; i < levels.steps(); ++i) {
    moments.push_back(config.noise_moments[static_cast<size_t>(levels[static_cast<size_t>(i)].timestep)]);
  }
  return moments;
}

}  // namespace

AnalyticDpmSampler::AnalyticDpmSampler(const SamplerConfig& config, NoiseLevels levels,
                                       std::vector<double> moments)
    : LevelSampler(config, std::move(levels)), moments_(std::move(moments)) {}

AnalyticDpmSampler::AnalyticDpmSampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, Levels(config, steps)), moments_(MomentsAt(config_, levels_)) {}

Task AnalyticDpmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = estimate.x0;

  const double a = from.alpha_cumprod(), a_next = to.alpha_cumprod();
  const double kept = 1 - a_next;  // the variance of the next level
  const double forward = config_.eta * config_.eta * kept / (1 - a) * (1 - a / a_next);
  const double direction = std::sqrt(kept - forward);
  // How far a wrong x0 would move the mean, times how uncertain x0 is.
  const double lever = std::sqrt((1 - a) * a_next / a) - direction;
  const double uncertainty = std::clamp(1 - moments_[static_cast<size_t>(state.step)], 0.0, 1.0);
  const double variance = forward + lever * lever * uncertainty;

  state.x = to.alpha * estimate.x0 + direction * estimate.noise;
  // The last step shows the mean, as every ancestral sampler does.
  if (to.sigma > 0) state.x = state.x + std::sqrt(variance) * state.noise->DrawLike(state.x);
}

}  // namespace mind::diffusion
