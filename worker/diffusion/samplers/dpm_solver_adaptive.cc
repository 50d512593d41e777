#include "worker/diffusion/samplers/dpm_solver_adaptive.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/evaluation_budget.h"
#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {
namespace {

constexpr char kDpmSolverAdaptive[] = "dpm_adaptive";
constexpr double kSolverSafety = 0.9;
constexpr double kMaxGrowth = 10;
constexpr double kLeastLambdaStep = 1e-8;
constexpr double kTimeRounding = 1e-9;  // closer to the end than this is there

double InitialScale(const SamplerConfig& config) {
  if (config.form == NetworkForm::kDiscrete) return 1;
  return ContinuumLevels(config, 2).initial_scale;
}

}  // namespace

DpmSolverAdaptiveSampler::DpmSolverAdaptiveSampler(const SamplerConfig& config, int64_t steps)
    : DpmSolverAdaptiveSampler(config, steps, TrainingSigmas(config)) {}

DpmSolverAdaptiveSampler::DpmSolverAdaptiveSampler(const SamplerConfig& config, int64_t steps,
                                                   std::vector<double> sigma_table)
    : Sampler(steps, InitialScale(config)), config_(config), sigma_table_(std::move(sigma_table)) {
  if (config_.solver_order != 2 && config_.solver_order != 3) {
    throw RequestError("dpm_adaptive has the orders 2 and 3, given: " + std::to_string(config_.solver_order));
  }
  if (sigma_table_.empty()) {
    lambda_start_ = -std::log(*config_.sigma_max * config_.start);
    lambda_end_ = -std::log(*config_.sigma_min);
  } else {
    const double last = config_.start * static_cast<double>(sigma_table_.size());
    const size_t first =
        static_cast<size_t>(std::clamp(std::lround(last), 1L, static_cast<long>(sigma_table_.size())));
    lambda_start_ = -std::log(sigma_table_[first - 1]);
    lambda_end_ = -std::log(sigma_table_.front());
  }
}

int64_t DpmSolverAdaptiveSampler::evaluations() const {
  return config_.solver_order == 2 ? 40 : 45;  // at the default tolerances, on pictures
}

double DpmSolverAdaptiveSampler::LambdaOf(int64_t step) const {
  if (step == steps()) return lambda_end_;
  return lambda_start_ +
         (lambda_end_ - lambda_start_) * static_cast<double>(step) / static_cast<double>(steps());
}

NoiseLevel DpmSolverAdaptiveSampler::At(double lambda) const {
  const NoiseLevel exploding = LevelOfSigma(config_, std::exp(-lambda), sigma_table_);
  return sigma_table_.empty() ? exploding
                              : NoiseLevel::PreservingOfSigma(exploding.sigma, exploding.timestep);
}

Task DpmSolverAdaptiveSampler::Step(SampleState& state, Evaluator& evaluate) const {
  if (state.scalars.empty()) {
    state.scalars = {LambdaOf(state.step), config_.first_step, 0};
    state.history = {state.x};
  }
  double lambda = state.scalars[0], h = state.scalars[1];
  EvaluationBudget budget(kDpmSolverAdaptive, state.scalars);
  const bool third = config_.solver_order == 3;
  const bool last = state.step + 1 == steps();
  const double goal = LambdaOf(state.step + 1) - (last ? kTimeRounding : 0);
  while (lambda < goal) {
    const at::Tensor x = state.x;
    const NoiseLevel s = At(lambda);
    budget.Spend();
    const Denoised here = co_await Denoise(config_, evaluate, x, s);
    for (bool accepted = false; !accepted;) {
      if (h < kLeastLambdaStep) {
        throw RequestError("dpm_adaptive needs steps smaller than it can take: ask for looser tolerances");
      }
      h = std::min(h, lambda_end_ - lambda);
      const NoiseLevel t = At(lambda + h);
      // x under a constant noise prediction, from s over a stretch of lambda to a level.
      const auto first_order = [&](const NoiseLevel& to, double stretch_to) {
        return (to.alpha / s.alpha) * x - (to.sigma * std::expm1(stretch_to)) * here.noise;
      };
      const double r1 = third ? 1.0 / 3 : 0.5;
      const NoiseLevel s1 = At(lambda + r1 * h);
      budget.Spend();
      const Denoised one = co_await Denoise(config_, evaluate, first_order(s1, r1 * h), s1);
      const at::Tensor second =
          first_order(t, h) - (t.sigma * std::expm1(h) / (2 * r1)) * (one.noise - here.noise);
      at::Tensor lower = third ? second : first_order(t, h);
      at::Tensor higher = second;
      Denoised newest = one;
      if (third) {
        const double r2 = 2.0 / 3;
        const NoiseLevel s2 = At(lambda + r2 * h);
        const double phi_s2 = std::expm1(r2 * h) / (r2 * h) - 1;
        const at::Tensor x2 =
            first_order(s2, r2 * h) - (s2.sigma * phi_s2 * r2 / r1) * (one.noise - here.noise);
        budget.Spend();
        newest = co_await Denoise(config_, evaluate, x2, s2);
        const double phi = std::expm1(h) / h - 1;
        higher = first_order(t, h) - (t.sigma * phi / r2) * (newest.noise - here.noise);
      }

      const at::Tensor tolerance =
          (at::maximum(lower.abs(), state.history[0].abs()) * config_.relative_tolerance)
              .clamp_min(config_.absolute_tolerance);
      const double error =
          budget.Finite(((higher - lower) / tolerance).square().mean().sqrt().item<double>());
      accepted = error <= 1;
      if (accepted) {
        state.x = higher;
        state.history = {lower};
        state.denoised = newest.x0;
        lambda += h;
      }
      const double growth =
          error > 0 ? kSolverSafety * std::pow(error, -1.0 / static_cast<double>(config_.solver_order))
                    : kMaxGrowth;
      h *= std::min(growth, kMaxGrowth);
    }
  }
  state.scalars = {lambda, h, budget.spent()};
  if (!last || !config_.denoise_at_end) co_return;
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, At(lambda_end_));
  state.denoised = estimate.x0;
  state.x = estimate.x0;
}

}  // namespace mind::diffusion
