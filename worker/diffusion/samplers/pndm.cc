#include "worker/diffusion/samplers/pndm.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/denoised.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

// Adams-Bashforth of the order the history allows (eq. 12).
at::Tensor Multistep(const std::vector<at::Tensor>& e) {
  const size_t n = e.size();
  if (n == 1) return e[0];
  if (n == 2) return (3 * e[1] - e[0]) / 2;
  if (n == 3) return (23 * e[2] - 16 * e[1] + 5 * e[0]) / 12;
  return (55 * e[n - 1] - 59 * e[n - 2] + 37 * e[n - 3] - 9 * e[n - 4]) / 24;
}

}  // namespace

PndmSampler::PndmSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(steps),
      config_(config),
      alphas_cumprod_(AlphasCumprod(config)),
      timesteps_(IntegerTimesteps(config.spacing.value_or(Spacing::kLeading), config.train_steps, steps,
                                  config.steps_offset)),
      stride_(config.train_steps / steps),
      final_alpha_(config.alpha_one_at_end.value_or(false) ? 1 : alphas_cumprod_.front()) {
  if (!config_.skip_prk && steps < 4) {
    throw RequestError("pndm with a Runge-Kutta start needs 4 steps or more, given: " +
                       std::to_string(steps));
  }
  if (config_.prediction == Prediction::kSample) {
    throw RequestError("pndm cannot sample a model that predicts x0");
  }
}

int64_t PndmSampler::evaluations() const {
  return config_.skip_prk ? steps() + (steps() > 1 ? 1 : 0) : steps() + 9;
}

at::Tensor PndmSampler::Transfer(const at::Tensor& x, const at::Tensor& output, int64_t t,
                                 int64_t next) const {
  const double a = AlphaAt(t), a_next = AlphaAt(next);
  const at::Tensor epsilon = Estimate(config_.prediction, output, x, std::sqrt(a), std::sqrt(1 - a)).epsilon;
  const double denominator = a * std::sqrt(1 - a_next) + std::sqrt(a * (1 - a) * a_next);
  return std::sqrt(a_next / a) * x - epsilon * ((a_next - a) / denominator);
}

Task PndmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const int64_t t = timesteps_[static_cast<size_t>(state.step)];
  const at::Tensor x = state.x;
  at::Tensor output = co_await evaluate(x, static_cast<double>(t));
  const double a = AlphaAt(t);
  state.denoised = Estimate(config_.prediction, output, x, std::sqrt(a), std::sqrt(1 - a)).x0;

  if (InRungeKutta(state.step)) {
    // Classical fourth order over the whole stride, looking at the middle and the end (eq. 13).
    const int64_t end = t - stride_;
    const int64_t middle = end + stride_ / 2;
    state.history.push_back(output);
    at::Tensor sum = output / 6;
    output = co_await evaluate(Transfer(x, output, t, t - stride_ / 2), static_cast<double>(middle));
    sum = sum + output / 3;
    output = co_await evaluate(Transfer(x, output, t, middle), static_cast<double>(middle));
    sum = sum + output / 3;
    output = co_await evaluate(Transfer(x, output, t, end), static_cast<double>(end));
    state.x = Transfer(x, sum + output / 6, t, end);
    co_return;
  }

  const int64_t next = t - stride_;
  state.history.push_back(output);
  if (state.history.size() > 4) state.history.erase(state.history.begin());
  if (config_.skip_prk && state.step == 0 && steps() > 1) {
    // No history yet: look one stride ahead and go with the mean of both (improved Euler).
    const int64_t second = timesteps_[1];
    const at::Tensor ahead = co_await evaluate(Transfer(x, output, t, next), static_cast<double>(second));
    // Counted back from where the look was taken, as the reference does: with uneven spacing that is not
    // quite t.
    state.x = Transfer(x, (ahead + output) / 2, second + stride_, second);
    co_return;
  }
  state.x = Transfer(x, Multistep(state.history), t, next);
}

}  // namespace mind::diffusion
