#include "worker/diffusion/samplers/dpm_solver_singlestep.h"

#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Full blocks, and an ending of lower order: always where the steps do not fill the blocks, and (as with the
// reference) where the last step goes to no noise at all.
std::vector<int64_t> Orders(const SamplerConfig& c, int64_t steps, bool ends_clean) {
  const int64_t order = c.solver_order;
  const bool lower = c.lower_order_final || ends_clean || steps % order != 0;
  std::vector<int64_t> orders;
  const int64_t in_blocks = lower && order > 1 && steps % order == 0 ? steps - order : steps;
  for (int64_t i = 0; i < in_blocks; ++i) orders.push_back(i % order + 1);
  if (in_blocks < steps) {  // the last block at one order less, and a single step
    for (int64_t i = 0; i < order - 1; ++i) orders.push_back(i + 1);
    orders.push_back(1);
  }
  if (ends_clean) orders.back() = 1;
  return orders;
}

}  // namespace

DpmSolverSinglestepSampler::DpmSolverSinglestepSampler(const SamplerConfig& config, NoiseLevels levels)
    : LevelSampler(config, std::move(levels)),
      predicts_x0_(config.algorithm == "dpmsolver++"),
      orders_(Orders(config, steps(), levels_.levels.back().sigma == 0)) {
  if (!predicts_x0_ && config_.algorithm != "dpmsolver") {
    throw ModelError("algorithm_type \"" + config_.algorithm +
                     "\" is not supported in singlestep form; supported: dpmsolver, dpmsolver++");
  }
  if (!predicts_x0_ && levels_.levels.back().sigma == 0) {
    throw ModelError(
        "final_sigmas_type \"zero\" goes with dpmsolver++ only: in dpmsolver form the last step is infinite");
  }
}

Task DpmSolverSinglestepSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  // A trajectory that starts inside a block (from a picture, say) starts a block of its own.
  const int64_t order = orders_[static_cast<size_t>(state.step)];
  if (order == 1 || state.history.empty()) state.history = {state.x};
  state.history.push_back(predicts_x0_ ? estimate.x0 : estimate.noise);
  state.x = Advance(state);
}

at::Tensor DpmSolverSinglestepSampler::Advance(const SampleState& state) const {
  const size_t known = state.history.size() - 1;  // predictions in this block
  const size_t i = static_cast<size_t>(state.step);
  const NoiseLevel& start = levels_[i + 1 - known];
  const NoiseLevel& to = levels_[i + 1];
  const double h = to.lambda() - start.lambda();
  if (h == 0) return state.x;

  // x' = keep·x + c0·D0 + c1·D1 + c2·D2 from the block's start, with D0 its first prediction, D1 and D2 the
  // derivatives in lambda by differences.
  const double e = predicts_x0_ ? std::expm1(-h) : std::expm1(h);
  const double scale = predicts_x0_ ? to.alpha : -to.sigma;
  const double sign = predicts_x0_ ? 1 : -1;  // of h where it stands alone
  const double keep = predicts_x0_ ? to.sigma / start.sigma : to.alpha / start.alpha;
  const double c0 = predicts_x0_ ? -scale * e : scale * e;
  const double c1 = scale * (e / h + sign);
  const double c2 = predicts_x0_ ? -scale * ((e + h) / (h * h) - 0.5) : scale * ((e - h) / (h * h) - 0.5);

  const std::vector<at::Tensor>& m = state.history;  // m[0] is x at the start, m[1] its prediction
  at::Tensor x = keep * m[0] + c0 * m[1];
  if (known == 2) {
    const double r = (levels_[i].lambda() - start.lambda()) / h;
    const at::Tensor d1 = (m[2] - m[1]) / r;
    x = x + (config_.solver_heun ? c1 : c0 / 2) * d1;
  } else if (known == 3) {
    const double r0 = (levels_[i].lambda() - start.lambda()) / h;
    const double r1 = (levels_[i - 1].lambda() - start.lambda()) / h;
    const at::Tensor near = (m[2] - m[1]) / r1;
    const at::Tensor far = (m[3] - m[1]) / r0;
    if (config_.solver_heun) {
      const at::Tensor d1 = (r0 * near - r1 * far) / (r0 - r1);
      const at::Tensor d2 = 2 * (far - near) / (r0 - r1);
      x = x + c1 * d1 + c2 * d2;
    } else {
      x = x + c1 * far;
    }
  }
  return x;
}

}  // namespace mind::diffusion
