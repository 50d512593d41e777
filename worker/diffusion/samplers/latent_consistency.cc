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
  if (c.original_steps < 1 || c.original_steps > c.train_steps) {
    throw ModelError("original_inference_steps must be 1 to num_train_timesteps, given: " +
                     std::to_string(c.original_steps));
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

LcmSampler::LcmSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(config.custom_timesteps.empty() ? steps : static_cast<int64_t>(config.custom_timesteps.size())),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(StudentTimesteps(config, steps)) {}

Task LcmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const int64_t t = timesteps_[i];
  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const Denoised estimate =
      co_await Denoise(config_, evaluate, state.x, NoiseLevel::Preserving(a, static_cast<double>(t)));
  // The boundary condition: at t = 0 the student answers with x itself (eq. 9).
  const double scaled = static_cast<double>(t) * config_.timestep_scaling;
  const double data = config_.sigma_data;
  const double skip = data * data / (scaled * scaled + data * data);
  const double out = scaled / std::sqrt(scaled * scaled + data * data);
  state.denoised = out * estimate.x0 + skip * state.x;
  if (i + 1 == timesteps_.size()) {
    state.x = state.denoised;
    co_return;
  }
  const double a_next = alphas_cumprod_[static_cast<size_t>(timesteps_[i + 1])];
  state.x = std::sqrt(a_next) * state.denoised + std::sqrt(1 - a_next) * state.noise->DrawLike(state.x);
}

TcdSampler::TcdSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(config.custom_timesteps.empty() ? steps : static_cast<int64_t>(config.custom_timesteps.size())),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(StudentTimesteps(config, steps)) {}

Task TcdSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const int64_t t = timesteps_[i];
  const bool last = i + 1 == timesteps_.size();
  const int64_t next = last ? 0 : timesteps_[i + 1];
  const int64_t reached = static_cast<int64_t>(std::floor((1 - config_.eta) * static_cast<double>(next)));
  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const double a_next = alphas_cumprod_[static_cast<size_t>(next)];
  const double a_reached = alphas_cumprod_[static_cast<size_t>(reached)];
  const Denoised estimate =
      co_await Denoise(config_, evaluate, state.x, NoiseLevel::Preserving(a, static_cast<double>(t)));
  state.denoised = estimate.x0;
  state.x = std::sqrt(a_reached) * estimate.x0 + std::sqrt(1 - a_reached) * estimate.raw_noise;
  if (config_.eta > 0 && !last) {
    state.x = std::sqrt(a_next / a_reached) * state.x +
              std::sqrt(1 - a_next / a_reached) * state.noise->DrawLike(state.x);
  }
}

}  // namespace mind::diffusion
