#include "worker/diffusion/samplers/pndm.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/adams_bashforth.h"
#include "worker/diffusion/samplers/level_sampler.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

std::vector<PndmSampler::Move> PndmMoves(const SamplerConfig& c, int64_t steps) {
  const std::vector<double> alphas = AlphasCumprod(c);
  const double final_alpha = c.alpha_one_at_end.value_or(false) ? 1 : alphas.front();
  const auto level = [&](int64_t t) {
    const int64_t known = std::min(t, c.train_steps - 1);
    return NoiseLevel::Preserving(t >= 0 ? alphas[static_cast<size_t>(known)] : final_alpha,
                                  static_cast<double>(t));
  };
  const std::vector<int64_t> timesteps = TrainingSteps(c, steps, Spacing::kLeading);
  const bool even = c.custom_timesteps.empty() && c.spacing != Spacing::kOptimal && c.start == 1;
  std::vector<PndmSampler::Move> moves;
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const int64_t t = timesteps[i];
    // Steps shrink by one stride wherever they are (reference), but those of the Runge-Kutta start go to the
    // next timestep; uneven ones have their own.
    const bool listed = !even || (!c.skip_prk && i < 3);
    const int64_t next = !listed                    ? t - c.train_steps / steps
                         : i + 1 < timesteps.size() ? timesteps[i + 1]
                                                    : -1;
    const int64_t stride = even ? c.train_steps / steps : t - next;
    const int64_t second = i + 1 < timesteps.size() ? timesteps[i + 1] : next;
    moves.push_back({level(t), level(next), level(t - stride / 2), level(next + stride / 2), level(second),
                     level(second + stride)});
  }
  return moves;
}

}  // namespace

PndmSampler::PndmSampler(const SamplerConfig& config, std::vector<Move> moves)
    : Sampler(static_cast<int64_t>(moves.size())), config_(config), moves_(std::move(moves)) {
  if (!config_.skip_prk && steps() < 4) {
    throw RequestError("pndm with a Runge-Kutta start needs 4 steps or more, given: " +
                       std::to_string(steps()));
  }
  if (std::any_of(moves_.begin(), moves_.end(), [](const Move& move) { return move.from.alpha == 0; })) {
    throw RequestError("pndm cannot start where there is no signal at all (zero terminal SNR)");
  }
  if (config_.prediction == Prediction::kSample) {
    throw RequestError("pndm cannot sample a model that predicts x0");
  }
}

PndmSampler::PndmSampler(const SamplerConfig& config, int64_t steps)
    : PndmSampler(config, PndmMoves(config, steps)) {}

int64_t PndmSampler::evaluations() const {
  return config_.skip_prk ? steps() + (steps() > 1 ? 1 : 0) : steps() + 9;
}

at::Tensor PndmSampler::Transfer(const at::Tensor& x, const at::Tensor& output, const NoiseLevel& from,
                                 const NoiseLevel& to) const {
  const double a = from.alpha_cumprod(), a_next = to.alpha_cumprod();
  const at::Tensor noise = Estimate(config_, output, x, from).raw_noise;
  const double denominator = a * to.sigma + std::sqrt(a * (1 - a) * a_next);
  return (to.alpha / from.alpha) * x - noise * ((a_next - a) / denominator);
}

Task PndmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const bool midway = state.step > 0 && state.history.empty();  // begun from a picture
  const Move& move = midway ? MoveFrom(state.step) : moves_[static_cast<size_t>(state.step)];
  const at::Tensor x = state.x;
  at::Tensor output = co_await evaluate(x, LevelTold(config_, move.from));
  state.denoised = Estimate(config_, output, x, move.from).x0;

  if (InRungeKutta(state.step) && !midway) {
    // Classical fourth order over the whole stride, looking at the middle and the end (eq. 13).
    const double middle = LevelTold(config_, move.middle);
    state.history.push_back(output);
    at::Tensor sum = output / 6;
    output = co_await evaluate(Transfer(x, output, move.from, move.half), middle);
    sum = sum + output / 3;
    output = co_await evaluate(Transfer(x, output, move.from, move.middle), middle);
    sum = sum + output / 3;
    output = co_await evaluate(Transfer(x, output, move.from, move.to), LevelTold(config_, move.to));
    state.x = Transfer(x, sum + output / 6, move.from, move.to);
    co_return;
  }

  state.history.push_back(output);
  if (state.history.size() > 4) state.history.erase(state.history.begin());
  if (midway || (config_.skip_prk && state.step == 0 && steps() > 1)) {
    // No history yet: look one stride ahead and go with the mean of both (improved Euler).
    const at::Tensor ahead =
        co_await evaluate(Transfer(x, output, move.from, move.to), LevelTold(config_, move.look));
    state.x = Transfer(x, (ahead + output) / 2, move.counted, move.look);
    co_return;
  }
  state.x = Transfer(x, AdamsBashforth(state.history), move.from, move.to);
}

}  // namespace mind::diffusion
