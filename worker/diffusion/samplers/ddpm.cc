#include "worker/diffusion/samplers/ddpm.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {

DdpmSampler::DdpmSampler(const SamplerConfig& config, std::vector<int64_t> timesteps)
    : Sampler(static_cast<int64_t>(timesteps.size())),
      config_(config),
      betas_(Betas(config)),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(std::move(timesteps)) {}

at::Tensor DdpmSampler::Deviation(double variance, double beta, const at::Tensor& predicted,
                                  const at::Tensor& like) const {
  const auto constant = [&like](double value) { return at::full({}, value, like.options()); };
  const bool learned = config_.variance == Variance::kLearned || config_.variance == Variance::kLearnedRange;
  if (learned && !predicted.defined()) {
    throw RequestError("the variance is to be learned, but this model's network predicts none");
  }
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

NoiseLevel DdpmSampler::LevelOf(int64_t step) const {
  const int64_t t = timesteps_[static_cast<size_t>(step)];
  return NoiseLevel::Preserving(alphas_cumprod_[static_cast<size_t>(t)], static_cast<double>(t));
}

Task DdpmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const int64_t t = timesteps_[i];
  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const Denoised estimate =
      co_await Denoise(config_, evaluate, state.x, NoiseLevel::Preserving(a, static_cast<double>(t)));
  state.denoised = estimate.x0;

  const double a_next =
      i + 1 < timesteps_.size() ? alphas_cumprod_[static_cast<size_t>(timesteps_[i + 1])] : 1;
  // In the precision of the table, as the reference: close to the end 1 - a / a_next cancels, and its
  // rounding shows in the picture.
  const auto rounded = [this](double value) {
    return config_.double_precision ? value : static_cast<double>(static_cast<float>(value));
  };
  double alpha = rounded(rounded(a) / rounded(a_next));
  double beta = rounded(1 - alpha);
  const int64_t next_t = i + 1 < timesteps_.size() ? timesteps_[i + 1] : -1;
  if (config_.from_betas) {
    if (next_t == t - 1) beta = rounded(betas_[static_cast<size_t>(t)]);
    alpha = rounded(1 - beta);
  }
  at::Tensor next = state.denoised * (std::sqrt(a_next) * beta / (1 - a)) +
                    state.x * (std::sqrt(alpha) * (1 - a_next) / (1 - a));
  if (t > 0 || estimate.lead.defined()) {
    const double variance = std::max((1 - a_next) / (1 - a) * beta, 1e-20);
    const at::Tensor deviation = Deviation(variance, beta, estimate.variance, state.x);
    if (estimate.lead.defined()) next = next + deviation * deviation * estimate.lead;
    if (t > 0) next = next + deviation * state.noise->DrawLike(state.x);
  }
  state.x = next;
}

}  // namespace mind::diffusion
