#include "worker/diffusion/samplers/ddim.h"

#include <cmath>

#include "worker/diffusion/samplers/denoised.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {

DdimSampler::DdimSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(steps),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(IntegerTimesteps(config.spacing.value_or(Spacing::kLeading), config.train_steps, steps,
                                  config.steps_offset)),
      stride_(config.train_steps / steps),
      final_alpha_(config.alpha_one_at_end.value_or(true) ? 1 : alphas_cumprod_.front()) {}

Task DdimSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const int64_t t = timesteps_[static_cast<size_t>(state.step)];
  const at::Tensor output = co_await evaluate(state.x, static_cast<double>(t));

  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const double a_next = t >= stride_ ? alphas_cumprod_[static_cast<size_t>(t - stride_)] : final_alpha_;
  const double alpha = std::sqrt(a), sigma = std::sqrt(1 - a);
  Denoised estimate = Estimate(config_.prediction, output, state.x, alpha, sigma);
  estimate.x0 = Limit(config_, estimate.x0);
  if (config_.use_clipped_output) estimate.epsilon = (state.x - alpha * estimate.x0) / sigma;

  const double deviation = config_.eta * std::sqrt((1 - a_next) / (1 - a) * (1 - a / a_next));
  const double direction = std::sqrt(1 - a_next - deviation * deviation);
  at::Tensor next = std::sqrt(a_next) * estimate.x0 + direction * estimate.epsilon;
  if (config_.eta > 0) next = next + deviation * state.noise->DrawLike(state.x);
  state.denoised = estimate.x0;
  state.x = next;
}

}  // namespace mind::diffusion
