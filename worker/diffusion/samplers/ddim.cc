#include "worker/diffusion/samplers/ddim.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

NoiseLevel LevelAt(const std::vector<double>& alphas, int64_t t, double final_alpha) {
  const double a =
      t >= 0 ? alphas[static_cast<size_t>(std::min<int64_t>(t, static_cast<int64_t>(alphas.size()) - 1))]
             : final_alpha;
  return NoiseLevel::Preserving(a, static_cast<double>(t));
}

std::vector<DdimSampler::Move> DdimMoves(const SamplerConfig& c, int64_t steps) {
  std::vector<DdimSampler::Move> moves;
  if (c.form != NetworkForm::kDiscrete) {
    const NoiseLevels levels = ContinuumLevels(c, steps);
    for (size_t i = 0; i + 1 < levels.levels.size(); ++i) moves.push_back({levels[i], levels[i + 1]});
    return moves;
  }
  const std::vector<double> alphas = AlphasCumprod(c);
  const double final_alpha = c.alpha_one_at_end.value_or(true) ? 1 : alphas.front();
  const std::vector<int64_t> timesteps = TrainingSteps(c, steps, Spacing::kLeading);
  // The reference goes down by one stride wherever it is, whatever the next timestep. They differ only where
  // the steps do not divide the training steps.
  const bool even = c.custom_timesteps.empty() && c.spacing != Spacing::kOptimal && c.start == 1;
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const int64_t next = even                       ? timesteps[i] - c.train_steps / steps
                         : i + 1 < timesteps.size() ? timesteps[i + 1]
                                                    : -1;
    moves.push_back({LevelAt(alphas, timesteps[i], final_alpha), LevelAt(alphas, next, final_alpha)});
  }
  return moves;
}

// From picture to noise: the network is asked about the level it is about to reach.
std::vector<DdimSampler::Move> InverseMoves(const SamplerConfig& c, int64_t steps) {
  const std::vector<double> alphas = AlphasCumprod(c);
  const double first_alpha = c.alpha_one_at_end.value_or(true) ? 1 : alphas.front();
  std::vector<int64_t> timesteps =
      IntegerTimesteps(c.spacing.value_or(Spacing::kLeading), c.train_steps, steps, c.steps_offset);
  std::reverse(timesteps.begin(), timesteps.end());
  std::vector<DdimSampler::Move> moves;
  for (const int64_t t : timesteps) {
    NoiseLevel from = LevelAt(alphas, t - c.train_steps / steps, first_alpha);
    from.timestep = static_cast<double>(t);
    moves.push_back({from, LevelAt(alphas, t, first_alpha)});
  }
  return moves;
}

double DdimInitialScale(const SamplerConfig& config, int64_t steps) {
  return config.form == NetworkForm::kDiscrete ? 1 : ContinuumLevels(config, steps).initial_scale;
}

}  // namespace

DdimSampler::DdimSampler(const SamplerConfig& config, std::vector<Move> moves, double initial_scale)
    : Sampler(static_cast<int64_t>(moves.size()), initial_scale), config_(config), moves_(std::move(moves)) {}

DdimSampler::DdimSampler(const SamplerConfig& config, int64_t steps)
    : DdimSampler(config, DdimMoves(config, steps), DdimInitialScale(config, steps)) {}

DdimInverseSampler::DdimInverseSampler(const SamplerConfig& config, int64_t steps)
    : DdimSampler(config, InverseMoves(config, steps)) {}

Task DdimSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const auto& [from, to] = moves_[static_cast<size_t>(state.step)];
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = estimate.x0;
  // Eq. 16 for any alpha and sigma.
  const double kept = to.sigma * from.alpha / to.alpha;
  const double deviation =
      config_.eta > 0 ? config_.eta * to.sigma / from.sigma * std::sqrt(from.sigma * from.sigma - kept * kept)
                      : 0;
  const double direction = std::sqrt(to.sigma * to.sigma - deviation * deviation);
  at::Tensor x =
      to.alpha * estimate.x0 + direction * (config_.use_clipped_output ? estimate.noise : estimate.raw_noise);
  if (config_.eta > 0) x = x + deviation * state.noise->DrawLike(x);
  state.x = x;
}

}  // namespace mind::diffusion
