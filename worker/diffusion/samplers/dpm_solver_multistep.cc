#include "worker/diffusion/samplers/dpm_solver_multistep.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Below this many steps, the last steps are taken with lower order (config: lower_order_final).
constexpr int64_t kFewSteps = 15;

}  // namespace

DpmSolverMultistepSampler::DpmSolverMultistepSampler(const SamplerConfig& config, NoiseLevels levels)
    : LevelSampler(config, std::move(levels)) {
  predicts_x0_ = config_.algorithm == "dpmsolver++" || config_.algorithm == "sde-dpmsolver++";
  stochastic_ = config_.algorithm == "sde-dpmsolver" || config_.algorithm == "sde-dpmsolver++";
  if (!predicts_x0_ && !stochastic_ && config_.algorithm != "dpmsolver") {
    throw ModelError(
        "algorithm_type \"" + config_.algorithm +
        "\" is not supported; supported: dpmsolver, dpmsolver++, sde-dpmsolver, sde-dpmsolver++");
  }
  if (!predicts_x0_ && levels_.levels.back().sigma == 0) {
    throw ModelError("final_sigmas_type \"zero\" goes with dpmsolver++ and sde-dpmsolver++ only: in " +
                     config_.algorithm + " form the last step is infinite");
  }
  if (stochastic_ && config_.solver_order == 3) {
    throw ModelError("solver_order 3 is not supported in " + config_.algorithm + " form; supported: 1, 2");
  }
}

DpmSolverInverseSampler::DpmSolverInverseSampler(const SamplerConfig& config, int64_t steps)
    : DpmSolverMultistepSampler(config, InverseSolverLevels(config, steps)) {}

int64_t DpmSolverMultistepSampler::OrderOf(const SampleState& state) const {
  const bool few = config_.lower_order_final && steps() < kFewSteps;
  const int64_t known = static_cast<int64_t>(state.history.size());
  int64_t order = std::min(config_.solver_order, known);
  if (state.step == steps() - 1 && (config_.euler_at_final || few || levels_.levels.back().sigma == 0)) {
    order = 1;
  } else if (state.step == steps() - 2 && few) {
    order = std::min<int64_t>(order, 2);
  }
  return order;
}

Task DpmSolverMultistepSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  Remember(state.history, predicts_x0_ ? estimate.x0 : estimate.noise, config_.solver_order);
  const at::Tensor noise = stochastic_ ? state.noise->DrawLike(state.x) * config_.noise_scale : at::Tensor();
  state.x = Advance(state, OrderOf(state), noise);
}

at::Tensor DpmSolverMultistepSampler::Advance(const SampleState& state, int64_t order,
                                              const at::Tensor& noise) const {
  const size_t i = static_cast<size_t>(state.step);
  const NoiseLevel& to = levels_[i + 1];
  const NoiseLevel& from = levels_[i];
  const double h = to.lambda() - from.lambda();
  if (h == 0) return state.x;

  // x' = keep·x + c0·D0 + c1·D1 + c2·D2 + deviation·noise, with D0 the newest prediction and D1, D2 its
  // divided differences in lambda (Lu et al. 2022b, sec. 4.2; heun and midpoint are two ways to weigh D1).
  const double e = predicts_x0_ ? std::expm1((stochastic_ ? -2 : -1) * h) : std::expm1(h);
  double keep = 0, c0 = 0, c1 = 0, c2 = 0, deviation = 0;
  if (predicts_x0_ && !stochastic_) {
    keep = to.sigma / from.sigma;
    c0 = -to.alpha * e;
    c1 = config_.solver_heun || order == 3 ? to.alpha * (e / h + 1) : -0.5 * to.alpha * e;
    c2 = -to.alpha * ((e + h) / (h * h) - 0.5);
  } else if (predicts_x0_) {
    keep = to.sigma / from.sigma * std::exp(-h);
    c0 = -to.alpha * e;
    c1 = config_.solver_heun ? to.alpha * (e / (2 * h) + 1) : -0.5 * to.alpha * e;
    deviation = to.sigma * std::sqrt(-e);
  } else {
    const double factor = stochastic_ ? 2 : 1;
    keep = to.alpha / from.alpha;
    c0 = -factor * to.sigma * e;
    c1 = config_.solver_heun || order == 3 ? -factor * to.sigma * (e / h - 1) : -0.5 * factor * to.sigma * e;
    c2 = -to.sigma * ((e - h) / (h * h) - 0.5);
    if (stochastic_) deviation = to.sigma * std::sqrt(std::expm1(2 * h));
  }

  const std::vector<at::Tensor>& m = state.history;
  const size_t newest = m.size() - 1;
  at::Tensor x = keep * state.x + c0 * m[newest];
  if (order >= 2) {
    const double r0 = (from.lambda() - levels_[i - 1].lambda()) / h;
    at::Tensor d1 = (m[newest] - m[newest - 1]) / r0;
    if (order == 3) {
      const double r1 = (levels_[i - 1].lambda() - levels_[i - 2].lambda()) / h;
      const at::Tensor d1_before = (m[newest - 1] - m[newest - 2]) / r1;
      const at::Tensor d2 = (d1 - d1_before) / (r0 + r1);
      d1 = d1 + (d1 - d1_before) * (r0 / (r0 + r1));
      x = x + c2 * d2;
    }
    x = x + c1 * d1;
  }
  return noise.defined() ? x + deviation * noise : x;
}

}  // namespace mind::diffusion
