#include "worker/diffusion/samplers/deis.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

// Below this many steps, the last steps are taken with lower order (config: lower_order_final).
constexpr int64_t kFewDeisSteps = 15;

double LogRho(const NoiseLevel& level) {
  return -level.lambda();
}

// Of the first order in a flow. The length of the step in lambda is of float32, as the reference has it: from
// next to pure noise, where rho is in the thousands, its rounding is the largest.
at::Tensor FirstOrderOfFlow(const at::Tensor& x, const at::Tensor& noise, const NoiseLevel& from,
                            const NoiseLevel& to) {
  const auto lambda = [](const NoiseLevel& level) {
    return static_cast<float>(std::log(level.alpha)) - static_cast<float>(std::log(level.sigma));
  };
  const double h = lambda(to) - lambda(from);
  return (to.alpha / from.alpha) * x - (to.sigma * std::expm1(h)) * noise;
}

// The integral over rho from a to b of the polynomial in log rho that is 1 at nodes[j] and 0 at the others,
// all in log rho. With u = log rho: ∫ p(u) e^u du = [(p - p' + p'') e^u].
double IntegratedOverLogRho(const std::vector<double>& nodes, size_t j, double a, double b) {
  // p(u) = (u - r)(u - s) / scale with up to two roots.
  std::vector<double> roots;
  double scale = 1;
  for (size_t k = 0; k < nodes.size(); ++k) {
    if (k == j) continue;
    roots.push_back(nodes[k]);
    scale *= nodes[j] - nodes[k];
  }
  const auto antiderivative = [&](double u) {
    if (roots.empty()) return std::exp(u);
    if (roots.size() == 1) return (u - roots[0] - 1) * std::exp(u);
    const double p = (u - roots[0]) * (u - roots[1]);
    const double slope = 2 * u - roots[0] - roots[1];
    return (p - slope + 2) * std::exp(u);
  };
  return (antiderivative(b) - antiderivative(a)) / scale;
}

}  // namespace

DeisSampler::DeisSampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, SolverLevels(config, steps)) {}

int64_t DeisSampler::OrderOf(const SampleState& state) const {
  const int64_t left = steps() - state.step;
  int64_t order = std::min(config_.solver_order, static_cast<int64_t>(state.history.size()));
  if (config_.lower_order_final && steps() < kFewDeisSteps) order = std::min(order, left);
  return To(state).sigma == 0 ? 1 : order;
}

Task DeisSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, from);
  state.denoised = estimate.x0;
  Remember(state.history, estimate.noise, config_.solver_order);
  if (to.sigma == 0) {
    state.x = to.alpha * estimate.x0;
    co_return;
  }
  const size_t order = static_cast<size_t>(OrderOf(state));
  if (order == 1 && config_.form == NetworkForm::kFlow) {
    state.x = FirstOrderOfFlow(state.x, estimate.noise, from, to);
    co_return;
  }
  std::vector<double> nodes;  // log rho of the newest predictions, newest first
  for (size_t k = 0; k < order; ++k) nodes.push_back(LogRho(levels_[static_cast<size_t>(state.step) - k]));
  at::Tensor scaled = state.x / from.alpha;
  for (size_t k = 0; k < order; ++k) {
    scaled = scaled + state.history[state.history.size() - 1 - k] *
                          IntegratedOverLogRho(nodes, k, LogRho(from), LogRho(to));
  }
  state.x = to.alpha * scaled;
}

}  // namespace mind::diffusion
