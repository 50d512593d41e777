#include "worker/diffusion/samplers/consistency.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

// Steps of the training discretisation, spread evenly over its Karras levels.
NoiseLevels ConsistencyLevels(const SamplerConfig& c, int64_t steps) {
  const std::vector<double> all =
      SpacedSigmas(SigmaSpacing::kKarras, *c.sigma_min, *c.sigma_max, c.train_steps, c.rho);
  const int64_t stride = c.train_steps / steps;
  NoiseLevels result;
  for (int64_t i = 0; i < steps; ++i) {
    result.levels.push_back(LevelOfSigma(c, all[static_cast<size_t>(i * stride)], {}));
  }
  result.levels.push_back({1, *c.sigma_min, 0});
  result.initial_scale = *c.sigma_max;
  return result;
}

}  // namespace

ConsistencySampler::ConsistencySampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, ConsistencyLevels(config, steps)) {}

Task ConsistencySampler::Step(SampleState& state, Evaluator& evaluate) const {
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  const double min = *config_.sigma_min;
  const double next = std::clamp(To(state).sigma, min, *config_.sigma_max);
  state.x = estimate.x0;
  if (next > min) {
    state.x =
        state.x + state.noise->DrawLike(state.x) * (config_.noise_scale * std::sqrt(next * next - min * min));
  }
}

}  // namespace mind::diffusion
