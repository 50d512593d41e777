#include "worker/diffusion/samplers/annealed_langevin.h"

#include <cmath>

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

// Levels falling geometrically over all the network knows.
NoiseLevels LangevinLevels(SamplerConfig c, int64_t steps) {
  c.sigmas = SigmaSpacing::kExponential;
  c.final_sigma = FinalSigma::kZero;
  return SigmaLevels(c, steps, Spacing::kLinspace);
}

}  // namespace

AnnealedLangevinSampler::AnnealedLangevinSampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, LangevinLevels(config, steps)) {}

int64_t AnnealedLangevinSampler::evaluations() const {
  return steps() * config_.langevin_steps + (config_.denoise_at_end ? 1 : 0);
}

Task AnnealedLangevinSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel level = From(state);
  const double size = config_.langevin_rate * level.sigma * level.sigma;
  for (int64_t k = 0; k < config_.langevin_steps; ++k) {
    const Denoised estimate = co_await Denoise(config_, evaluate, state.x, level);
    state.denoised = estimate.x0;
    state.x = state.x - (size / level.sigma) * estimate.noise +
              std::sqrt(2 * size) * state.noise->DrawLike(state.x);
  }
  if (state.step + 1 < steps() || !config_.denoise_at_end) co_return;
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, level);
  state.denoised = estimate.x0;
  state.x = estimate.x0;
}

}  // namespace mind::diffusion
