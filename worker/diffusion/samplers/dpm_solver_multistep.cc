#include "worker/diffusion/samplers/dpm_solver_multistep.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/denoised.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

// Below this many steps, the last steps are taken with lower order (config: lower_order_final).
constexpr int64_t kFewSteps = 15;

// This class spaces steps + 1 levels and leaves out the last, and may stop short of the noisiest training
// steps.
std::vector<int64_t> Timesteps(const SamplerConfig& c, const std::vector<double>& sigma_table,
                               int64_t steps) {
  int64_t clipped = 0;  // training steps, from the noisy end, whose lambda is below the bound
  while (clipped + 1 < c.train_steps &&
         -std::log(sigma_table[static_cast<size_t>(c.train_steps - 1 - clipped)]) < c.lambda_min_clipped) {
    ++clipped;
  }
  const int64_t last = c.train_steps - clipped;
  const Spacing spacing = c.spacing.value_or(Spacing::kLinspace);
  if (spacing == Spacing::kTrailing) {
    std::vector<int64_t> timesteps;
    for (int64_t i = 0; i < steps; ++i) {
      const double t = static_cast<double>(last) - static_cast<double>(i) *
                                                       static_cast<double>(c.train_steps) /
                                                       static_cast<double>(steps);
      timesteps.push_back(std::max<int64_t>(static_cast<int64_t>(std::nearbyint(t)) - 1, 0));
    }
    return timesteps;
  }
  std::vector<int64_t> timesteps = IntegerTimesteps(spacing, last, steps + 1, c.steps_offset);
  timesteps.pop_back();
  return timesteps;
}

// n values of lambda, evenly spaced in lambda. Lu et al. 2022a, sec. 4.3.
std::vector<double> LuSigmas(double min, double max, int64_t n) {
  std::vector<double> sigmas;
  for (int64_t i = 0; i < n; ++i) {
    const double ramp = n == 1 ? 0 : static_cast<double>(i) / static_cast<double>(n - 1);
    sigmas.push_back(std::exp(std::log(max) + ramp * (std::log(min) - std::log(max))));
  }
  return sigmas;
}

}  // namespace

DpmSolverMultistepSampler::DpmSolverMultistepSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(steps), config_(config) {
  predicts_x0_ = config_.algorithm == "dpmsolver++" || config_.algorithm == "sde-dpmsolver++";
  stochastic_ = config_.algorithm == "sde-dpmsolver" || config_.algorithm == "sde-dpmsolver++";
  if (!predicts_x0_ && !stochastic_ && config_.algorithm != "dpmsolver") {
    throw ModelError(
        "algorithm_type \"" + config_.algorithm +
        "\" is not supported; supported: dpmsolver, dpmsolver++, sde-dpmsolver, sde-dpmsolver++");
  }
  if (!predicts_x0_ && config_.final_sigma == FinalSigma::kZero) {
    throw ModelError("final_sigmas_type \"zero\" goes with dpmsolver++ and sde-dpmsolver++ only: in " +
                     config_.algorithm + " form the last step is infinite");
  }
  if (stochastic_ && config_.solver_order == 3) throw ModelError(config_.algorithm + " has no order 3");

  const std::vector<double> table = SigmaTable(AlphasCumprod(config_));
  std::vector<double> sigmas;
  if (config_.sigmas == SigmaSpacing::kPlain) {
    timesteps_ = Timesteps(config_, table, steps);
    for (const int64_t t : timesteps_) sigmas.push_back(Interpolate(table, static_cast<double>(t)));
  } else {
    sigmas = config_.sigmas == SigmaSpacing::kLu ? LuSigmas(table.front(), table.back(), steps)
                                                 : KarrasSigmas(table.front(), table.back(), steps);
    for (const double sigma : sigmas) {
      timesteps_.push_back(static_cast<int64_t>(std::nearbyint(TimestepOfSigma(sigma, table))));
    }
  }
  sigmas.push_back(config_.final_sigma == FinalSigma::kZero ? 0 : table.front());
  for (size_t i = 1; i < sigmas.size(); ++i) {
    // Two steps at one noise level would divide by their distance.
    if (sigmas[i] >= sigmas[i - 1]) {
      throw RequestError("this model has too few noise levels for " + std::to_string(steps) +
                         " steps of DPM-Solver: ask for fewer");
    }
  }
  for (const double sigma : sigmas) {
    const double alpha = 1 / std::sqrt(sigma * sigma + 1);
    levels_.push_back({alpha, sigma * alpha, std::log(alpha) - std::log(sigma * alpha)});
  }
}

int64_t DpmSolverMultistepSampler::OrderOf(const SampleState& state) const {
  const bool few = config_.lower_order_final && steps() < kFewSteps;
  const int64_t known = static_cast<int64_t>(state.history.size());
  int64_t order = std::min(config_.solver_order, known);
  if (state.step == steps() - 1 &&
      (config_.euler_at_final || few || config_.final_sigma == FinalSigma::kZero)) {
    order = 1;
  } else if (state.step == steps() - 2 && few) {
    order = std::min<int64_t>(order, 2);
  }
  return order;
}

Task DpmSolverMultistepSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const Level& from = levels_[i];
  at::Tensor output = co_await evaluate(state.x, static_cast<double>(timesteps_[i]));

  const int64_t channel_dim = state.x.dim() - 3;
  if (output.size(channel_dim) == 2 * state.x.size(channel_dim)) output = output.chunk(2, channel_dim)[0];
  Denoised estimate = Estimate(config_.prediction, output, state.x, from.alpha, from.sigma);
  if (config_.thresholding) {
    estimate.x0 = Limit(config_, estimate.x0);
    estimate.epsilon = (state.x - from.alpha * estimate.x0) / from.sigma;
  }
  state.denoised = estimate.x0;
  state.history.push_back(predicts_x0_ ? estimate.x0 : estimate.epsilon);
  if (static_cast<int64_t>(state.history.size()) > config_.solver_order)
    state.history.erase(state.history.begin());

  const at::Tensor noise = stochastic_ ? state.noise->DrawLike(state.x) : at::Tensor();
  state.x = Advance(state, OrderOf(state), noise);
}

at::Tensor DpmSolverMultistepSampler::Advance(const SampleState& state, int64_t order,
                                              const at::Tensor& noise) const {
  const size_t i = static_cast<size_t>(state.step);
  const Level& to = levels_[i + 1];
  const Level& from = levels_[i];
  const double h = to.lambda - from.lambda;

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
    const double r0 = (from.lambda - levels_[i - 1].lambda) / h;
    at::Tensor d1 = (m[newest] - m[newest - 1]) / r0;
    if (order == 3) {
      const double r1 = (levels_[i - 1].lambda - levels_[i - 2].lambda) / h;
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
