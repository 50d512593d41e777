#include "worker/diffusion/samplers/latent_consistency.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {
namespace {

// The teacher's timesteps, thinned out evenly, noisiest first.
std::vector<int64_t> StudentTimesteps(const SamplerConfig& c, int64_t steps) {
  if (!c.custom_timesteps.empty()) return c.custom_timesteps;
  if (c.original_steps > c.train_steps) {
    throw RequestError("original_steps must be 1 to " + std::to_string(c.train_steps) +
                       ", the training steps; given: " + std::to_string(c.original_steps));
  }
  if (steps > c.original_steps) {
    throw RequestError("this sampler takes at most as many steps as its teacher, " +
                       std::to_string(c.original_steps) + "; given: " + std::to_string(steps));
  }
  const int64_t stride = c.train_steps / c.original_steps;
  std::vector<int64_t> timesteps;
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t index = i * c.original_steps / steps;  // from the noisy end
    timesteps.push_back((c.original_steps - index) * stride - 1);
  }
  return timesteps;
}

}  // namespace

StudentSampler::StudentSampler(const SamplerConfig& config, int64_t steps)
    : StudentSampler(config, StudentTimesteps(config, steps)) {}

StudentSampler::StudentSampler(const SamplerConfig& config, std::vector<int64_t> timesteps)
    : Sampler(static_cast<int64_t>(timesteps.size())),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(std::move(timesteps)) {}

NoiseLevel StudentSampler::LevelOf(int64_t step) const {
  const int64_t t = timesteps_[static_cast<size_t>(step)];
  return NoiseLevel::Preserving(AlphaCumprod(t), static_cast<double>(t));
}

Task LcmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = LevelOf(state.step);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  // The boundary condition: at t = 0 the student answers with x itself (eq. 9).
  const double scaled = from.timestep * config_.timestep_scaling;
  const double data = config_.sigma_data;
  const double skip = data * data / (scaled * scaled + data * data);
  const double out = scaled / std::sqrt(scaled * scaled + data * data);
  state.denoised = out * estimate.x0 + skip * state.x;
  if (IsLast(state)) {
    state.x = state.denoised;
    co_return;
  }
  const double a_next = AlphaCumprod(TimestepAfter(state));
  state.x = std::sqrt(a_next) * state.denoised + std::sqrt(1 - a_next) * state.noise->DrawLike(state.x);
}

TcdSampler::TcdSampler(const SamplerConfig& config, int64_t steps) : StudentSampler(config, steps) {
  config_.clip = config_.thresholding =
      false;  // its estimate is not limited, whatever the model says (reference)
}

Task TcdSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const int64_t next = IsLast(state) ? 0 : TimestepAfter(state);
  const int64_t reached = static_cast<int64_t>(std::floor((1 - config_.eta) * static_cast<double>(next)));
  const double a_next = AlphaCumprod(next);
  const double a_reached = AlphaCumprod(reached);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, LevelOf(state.step));
  state.denoised = estimate.x0;
  state.x = std::sqrt(a_reached) * estimate.x0 + std::sqrt(1 - a_reached) * estimate.raw_noise;
  if (config_.eta > 0 && !IsLast(state)) {
    state.x = std::sqrt(a_next / a_reached) * state.x +
              std::sqrt(1 - a_next / a_reached) * state.noise->DrawLike(state.x);
  }
}

}  // namespace mind::diffusion
