#include "worker/diffusion/samplers/adaptive_sde.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/evaluation_budget.h"

namespace mind::diffusion {
namespace {

constexpr char kAdaptiveSde[] = "adaptive_sde";
constexpr double kSdeSafety = 0.9;
constexpr double kSdeExponent = 0.9;     // r of alg. 1
constexpr double kStepRounding = 1e-12;  // closer to the end than this is there

}  // namespace

int64_t AdaptiveSdeSampler::evaluations() const {
  return 330;  // as measured on pictures with the default tolerances (paper, table 1: 280 to 400)
}

Task AdaptiveSdeSampler::Step(SampleState& state, Evaluator& evaluate) const {
  if (state.scalars.empty()) {
    state.scalars = {TimeOf(state.step), config_.first_step, 0};
    state.history = {state.x};
  }
  double t = state.scalars[0], h = state.scalars[1];
  EvaluationBudget budget(kAdaptiveSde, state.scalars);
  const bool last = state.step + 1 == steps();
  const double stretch =
      (path_.start() - path_.end()) * static_cast<double>(state.step + 1) / static_cast<double>(steps());
  const double goal = last ? path_.end() + kStepRounding : path_.start() - stretch;
  while (t > goal) {
    const at::Tensor x = state.x;
    const NoiseLevel level = path_.At(t);
    budget.Spend();
    const Denoised here = co_await Denoise(config_, evaluate, x, level);
    const at::Tensor score = ContinuousPath::Score(here, level);
    for (bool accepted = false; !accepted;) {
      const at::Tensor noise = state.noise->DrawLike(x);
      const double g2 = path_.Diffusion(t);
      const at::Tensor euler = x - h * (path_.Drift(t) * x - g2 * score) + std::sqrt(h * g2) * noise;

      const double t_next = t - h;
      const NoiseLevel next = path_.At(t_next);
      budget.Spend();
      const Denoised there = co_await Denoise(config_, evaluate, euler, next);
      const double g2_next = path_.Diffusion(t_next);
      const at::Tensor improved =
          x - h * (path_.Drift(t_next) * euler - g2_next * ContinuousPath::Score(there, next)) +
          std::sqrt(h * g2_next) * noise;

      const at::Tensor tolerance =
          (at::maximum(state.history[0].abs(), euler.abs()) * config_.relative_tolerance)
              .clamp_min(config_.absolute_tolerance);
      const double error =
          budget.Finite(((improved - euler) / 2 / tolerance).square().mean().sqrt().item<double>());
      accepted = error <= 1;
      const double growth =
          kSdeSafety * std::pow(error, -kSdeExponent);  // infinite without an error: to the end
      if (accepted) {
        state.x = (euler + improved) / 2;
        state.history = {euler};
        state.denoised = there.x0;
        t = t_next;
      }
      h = std::min(t - path_.end(), h * growth);
    }
  }
  state.scalars = {t, h, budget.spent()};
  if (!last) co_return;
  // What noise is left is taken off without its factor alpha, as the reference does.
  const NoiseLevel level = path_.At(t);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, level);
  state.denoised = estimate.x0;
  state.x = state.x - level.sigma * estimate.noise;
}

}  // namespace mind::diffusion
