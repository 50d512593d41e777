#include "worker/diffusion/samplers/sigma_schedule.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

// Stands in for the infinite sigma of a last training step without signal. Reference: the same constant in
// diffusers.
constexpr double kSmallestAlpha = 1.0 / (1 << 24);

}  // namespace

SigmaSchedule SigmaSchedule::From(const SamplerConfig& config, int64_t steps, Spacing default_spacing) {
  std::vector<double> alphas = AlphasCumprod(config);
  if (config.zero_terminal_snr) alphas.back() = kSmallestAlpha;
  const std::vector<double> table = SigmaTable(alphas);
  const Spacing spacing = config.spacing.value_or(default_spacing);

  SigmaSchedule schedule;
  const auto timesteps_from_sigmas = [&] {
    schedule.timesteps.clear();
    for (const double sigma : schedule.sigmas) {
      schedule.timesteps.push_back(config.continuous_timesteps ? 0.25 * std::log(sigma)
                                                               : TimestepOfSigma(sigma, table));
    }
  };
  if (!config.custom_sigmas.empty()) {
    schedule.sigmas.assign(config.custom_sigmas.begin(), config.custom_sigmas.end() - 1);
    timesteps_from_sigmas();
    schedule.sigmas.push_back(config.custom_sigmas.back());
  } else {
    if (config.custom_timesteps.empty()) {
      schedule.timesteps = FractionalTimesteps(spacing, config.train_steps, steps, config.steps_offset);
    } else {
      schedule.timesteps.assign(config.custom_timesteps.begin(), config.custom_timesteps.end());
    }
    for (const double t : schedule.timesteps) schedule.sigmas.push_back(Interpolate(table, t));
    if (config.sigmas == SigmaSpacing::kKarras) {
      schedule.sigmas = KarrasSigmas(config.sigma_min.value_or(schedule.sigmas.back()),
                                     config.sigma_max.value_or(schedule.sigmas.front()), steps);
      timesteps_from_sigmas();
    } else if (config.sigmas == SigmaSpacing::kLogLinear) {
      for (int64_t i = 0; i < steps; ++i) {
        const double ramp = static_cast<double>(i) / static_cast<double>(steps);
        schedule.sigmas[static_cast<size_t>(i)] =
            std::exp(std::log(table.back()) + ramp * (std::log(table.front()) - std::log(table.back())));
      }
    }
    schedule.sigmas.push_back(config.final_sigma == FinalSigma::kSigmaMin ? table.front() : 0);
  }
  const double max = *std::max_element(schedule.sigmas.begin(), schedule.sigmas.end());
  schedule.initial_scale = spacing == Spacing::kLeading ? std::sqrt(max * max + 1) : max;
  return schedule;
}

at::Tensor SigmaSchedule::Scaled(const at::Tensor& x, double sigma) {
  return x / std::sqrt(sigma * sigma + 1);
}

}  // namespace mind::diffusion
