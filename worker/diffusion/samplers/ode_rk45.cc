#include "worker/diffusion/samplers/ode_rk45.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/evaluation_budget.h"

namespace mind::diffusion {
namespace {

constexpr char kOdeRk45[] = "ode_rk45";

// Dormand & Prince 1980. Six stages; a seventh slope, at the new point, serves the error and the next step.
constexpr size_t kStages = 6;
constexpr double kNodes[kStages] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1};
constexpr double kStageWeights[kStages][kStages - 1] = {
    {},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656}};
constexpr double kWeights[kStages] = {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84};
constexpr double kErrorWeights[kStages + 1] = {-71.0 / 57600,    0,           71.0 / 16695, -71.0 / 1920,
                                               17253.0 / 339200, -22.0 / 525, 1.0 / 40};

constexpr double kOdeSafety = 0.9, kMinFactor = 0.2, kMaxFactor = 10;
constexpr double kOdeExponent = -1.0 / 5;
constexpr double kSmallestStep = 1e-10;

double Rms(const at::Tensor& x) {
  return x.square().mean().sqrt().item<double>();
}

at::Tensor WeightedSum(const std::array<at::Tensor, kStages + 1>& slopes, const double* weights, size_t n) {
  at::Tensor sum = weights[0] * slopes[0];
  for (size_t i = 1; i < n; ++i) {
    if (weights[i] != 0) sum = sum + weights[i] * slopes[i];
  }
  return sum;
}

}  // namespace

int64_t OdeRk45Sampler::evaluations() const {
  return 75;  // at tolerances of 1e-3 … 1e-5, on pictures
}

Task OdeRk45Sampler::Step(SampleState& state, Evaluator& evaluate) const {
  const double relative = config_.relative_tolerance, absolute = config_.absolute_tolerance;
  double t = TimeOf(state.step), h = 0;
  EvaluationBudget budget(kOdeRk45, state.scalars);
  if (state.scalars.empty()) {
    // The first step size: Hairer, Nørsett & Wanner, Solving ODEs I, sec. II.4.
    budget.Spend();
    const Denoised here = co_await Denoise(config_, evaluate, state.x, path_.At(t));
    const at::Tensor slope = path_.Slope(state.x, here, t);
    const at::Tensor scale = absolute + state.x.abs() * relative;
    const double d0 = Rms(state.x / scale), d1 = Rms(slope / scale);
    const double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
    const at::Tensor probe = state.x - h0 * slope;
    budget.Spend();
    const Denoised there = co_await Denoise(config_, evaluate, probe, path_.At(t - h0));
    const double d2 = Rms((path_.Slope(probe, there, t - h0) - slope) / scale) / h0;
    const double h1 = d1 <= 1e-15 && d2 <= 1e-15 ? std::max(1e-6, h0 * 1e-3)
                                                 : std::pow(0.01 / std::max(d1, d2), -kOdeExponent);
    h = std::min(100 * h0, h1);
    state.history = {slope};
    state.denoised = here.x0;
  } else {
    t = state.scalars[0];
    h = state.scalars[1];
  }

  const bool last = state.step + 1 == steps();
  const double stretch =
      (path_.start() - path_.end()) * static_cast<double>(state.step + 1) / static_cast<double>(steps());
  const double goal = last ? path_.end() : path_.start() - stretch;
  while (t > goal) {
    for (bool accepted = false, rejected = false; !accepted; rejected = !accepted) {
      if (h < kSmallestStep) {
        throw RequestError("ode_rk45 needs steps smaller than it can take: ask for looser tolerances");
      }
      const double t_next = std::max(t - h, path_.end());
      h = t - t_next;
      std::array<at::Tensor, kStages + 1> slopes = {state.history[0]};
      for (size_t stage = 1; stage < kStages; ++stage) {
        const at::Tensor x = state.x - h * WeightedSum(slopes, kStageWeights[stage], stage);
        const double at = t - kNodes[stage] * h;
        budget.Spend();
        const Denoised estimate = co_await Denoise(config_, evaluate, x, path_.At(at));
        slopes[stage] = path_.Slope(x, estimate, at);
      }
      const at::Tensor next = state.x - h * WeightedSum(slopes, kWeights, kStages);
      budget.Spend();
      const Denoised estimate = co_await Denoise(config_, evaluate, next, path_.At(t_next));
      slopes[kStages] = path_.Slope(next, estimate, t_next);

      const at::Tensor scale = absolute + at::maximum(state.x.abs(), next.abs()) * relative;
      const double error = budget.Finite(Rms(WeightedSum(slopes, kErrorWeights, kStages + 1) * h / scale));
      accepted = error < 1;
      const double wanted = error > 0 ? kOdeSafety * std::pow(error, kOdeExponent) : kMaxFactor;
      if (accepted) {
        state.x = next;
        state.history = {slopes[kStages]};
        state.denoised = estimate.x0;
        t = t_next;
        h *= std::min(rejected ? 1 : kMaxFactor, wanted);
      } else {
        h *= std::max(kMinFactor, wanted);
      }
    }
  }
  state.scalars = {t, h, budget.spent()};
  if (last && config_.denoise_at_end) state.x = state.denoised;
}

}  // namespace mind::diffusion
