#include "worker/diffusion/samplers/repaint.h"

#include <cmath>
#include <map>

#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {
namespace {

std::vector<int64_t> Timesteps(const SamplerConfig& c, int64_t descents) {
  std::map<int64_t, int64_t> jumps;  // left at a level
  for (int64_t level = 0; level < descents - c.jump_length; level += c.jump_length) {
    jumps[level] = c.jump_samples - 1;
  }
  std::vector<int64_t> timesteps;
  const int64_t stride = c.train_steps / descents;
  for (int64_t level = descents; level >= 1;) {
    timesteps.push_back(--level * stride);
    if (const auto jump = jumps.find(level); jump != jumps.end() && jump->second > 0) {
      --jump->second;
      for (int64_t k = 0; k < c.jump_length; ++k) timesteps.push_back(++level * stride);
    }
  }
  return timesteps;
}

}  // namespace

RepaintSampler::RepaintSampler(const SamplerConfig& config, int64_t descents, KnownPicture known)
    : RepaintSampler(config, descents, std::move(known), Timesteps(config, descents)) {}

RepaintSampler::RepaintSampler(const SamplerConfig& config, int64_t descents, KnownPicture known,
                               std::vector<int64_t> timesteps)
    : Sampler(static_cast<int64_t>(timesteps.size())),
      config_(config),
      known_(std::move(known)),
      betas_(Betas(config)),
      alphas_cumprod_(AlphasCumprod(config)),
      stride_(config.train_steps / descents),
      timesteps_(std::move(timesteps)),
      evaluations_(steps()) {
  for (size_t i = 1; i < timesteps_.size(); ++i) evaluations_ -= timesteps_[i] > timesteps_[i - 1] ? 1 : 0;
}

NoiseLevel RepaintSampler::LevelOf(int64_t step) const {
  const int64_t t = timesteps_[static_cast<size_t>(step)];
  return NoiseLevel::Preserving(alphas_cumprod_[static_cast<size_t>(t)], static_cast<double>(t));
}

Task RepaintSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const int64_t t = timesteps_[i];
  if (i > 0 && t > timesteps_[i - 1]) {
    // Up: one training step of the forward process after the other.
    for (int64_t k = timesteps_[i - 1]; k < timesteps_[i - 1] + stride_; ++k) {
      const double beta = betas_[static_cast<size_t>(k)];
      state.x = std::sqrt(1 - beta) * state.x + std::sqrt(beta) * state.noise->DrawLike(state.x);
    }
    co_return;
  }
  const double a = alphas_cumprod_[static_cast<size_t>(t)];
  const double a_next = t >= stride_ ? alphas_cumprod_[static_cast<size_t>(t - stride_)] : 1;
  const Denoised estimate =
      co_await Denoise(config_, evaluate, state.x, NoiseLevel::Preserving(a, static_cast<double>(t)));
  state.denoised = estimate.x0;
  const double deviation =
      t > 0 && config_.eta > 0 ? config_.eta * std::sqrt((1 - a_next) / (1 - a) * (1 - a / a_next)) : 0;
  const at::Tensor noise = state.noise->DrawLike(state.x);
  at::Tensor unknown =
      std::sqrt(a_next) * estimate.x0 + std::sqrt(1 - a_next - deviation * deviation) * estimate.raw_noise;
  if (deviation > 0) unknown = unknown + deviation * noise;  // the same draw (reference)
  const at::Tensor known = std::sqrt(a_next) * known_.original + std::sqrt(1 - a_next) * noise;
  state.x = known_.mask * known + (1 - known_.mask) * unknown;
}

}  // namespace mind::diffusion
