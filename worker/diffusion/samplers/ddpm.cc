#include "worker/diffusion/samplers/ddpm.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/denoised.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {

DdpmSampler::DdpmSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(config.custom_timesteps.empty() ? steps : static_cast<int64_t>(config.custom_timesteps.size())),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(config.custom_timesteps.empty()
                     ? IntegerTimesteps(config.spacing.value_or(Spacing::kLeading), config.train_steps, steps,
                                        config.steps_offset)
                     : config.custom_timesteps) {}

at::Tensor DdpmSampler::Deviation(double variance, double beta, const at::Tensor& predicted,
                                  const at::Tensor& like) const {
  const auto constant = [&like](double value) { return at::full({}, value, like.options()); };
  switch (config_.variance) {
    case Variance::kFixedSmall:
    case Variance::kFixedSmallLog:
      return constant(std::sqrt(variance));
    case Variance::kFixedLarge:
      return constant(std::sqrt(beta));
    case Variance::kLearned:
      return predicted.sqrt();
    case Variance::kLearnedRange: {
      const at::Tensor fraction = (predicted + 1) / 2;
      return at::exp(0.5 * (fraction * std::log(beta) + (1 - fraction) * std::log(variance)));
    }
  }
  return {};
}

Task DdpmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const int64_t t = timesteps_[i];
  at::Tensor output = co_await evaluate(state.x, static_cast<double>(t));

  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const double a_next =
      i + 1 < timesteps_.size() ? alphas_cumprod_[static_cast<size_t>(timesteps_[i + 1])] : 1;
  // In float32, as the reference: close to the end 1 - a / a_next cancels, and its rounding shows in the
  // picture.
  const float alpha = static_cast<float>(a) / static_cast<float>(a_next);
  const float beta = 1 - alpha;

  at::Tensor predicted_variance;
  const int64_t channel_dim = state.x.dim() - 3;
  if (output.size(channel_dim) == 2 * state.x.size(channel_dim)) {
    const auto halves = output.chunk(2, channel_dim);
    output = halves[0];
    predicted_variance = halves[1];
  }
  state.denoised =
      Limit(config_, Estimate(config_.prediction, output, state.x, std::sqrt(a), std::sqrt(1 - a)).x0);
  at::Tensor next = state.denoised * (std::sqrt(a_next) * beta / (1 - a)) +
                    state.x * (std::sqrt(alpha) * (1 - a_next) / (1 - a));
  if (t > 0) {
    const double variance = std::max((1 - a_next) / (1 - a) * beta, 1e-20);
    const at::Tensor noise = state.noise->DrawLike(state.x);
    next = next + Deviation(variance, beta, predicted_variance, state.x) * noise;
  }
  state.x = next;
}

}  // namespace mind::diffusion
