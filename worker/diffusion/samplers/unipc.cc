#include "worker/diffusion/samplers/unipc.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// The weights rho of eq. 9: sum over j of rho_j · nodes_j^(i-1) = b_i.
std::vector<double> Weights(const std::vector<double>& nodes, const std::vector<double>& b) {
  const int64_t n = static_cast<int64_t>(nodes.size());
  at::Tensor matrix = at::empty({n, n}, at::kDouble);
  at::Tensor right = at::empty({n, 1}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) matrix[i][j] = std::pow(nodes[static_cast<size_t>(j)], i);
    right[i][0] = b[static_cast<size_t>(i)];
  }
  const at::Tensor solved = at::linalg_solve(matrix, right).contiguous();
  return {solved.data_ptr<double>(), solved.data_ptr<double>() + n};
}

}  // namespace

UniPcSampler::UniPcSampler(const SamplerConfig& config, NoiseLevels levels)
    : LevelSampler(config, std::move(levels)) {
  if (!config_.predict_x0 && levels_.levels.back().sigma == 0) {
    throw ModelError(
        "final_sigmas_type \"zero\" goes with predict_x0 only: in noise form the last step is infinite");
  }
}

int64_t UniPcSampler::OrderOf(int64_t step, int64_t known) const {
  const int64_t order = std::min(config_.solver_order, known);
  const bool clean = levels_[static_cast<size_t>(step) + 1].sigma == 0;
  return config_.lower_order_final ? std::min(order, steps() - step) : clean ? 1 : order;
}

bool UniPcSampler::Corrects(int64_t step) const {
  const std::vector<int64_t>& left_out = config_.uncorrected_steps;
  return config_.corrector && std::find(left_out.begin(), left_out.end(), step) == left_out.end();
}

Task UniPcSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const size_t i = static_cast<size_t>(state.step);
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, levels_[i]);
  state.denoised = estimate.x0;
  // In noise form x0 is not limited (reference).
  const at::Tensor prediction = config_.predict_x0 ? estimate.x0 : estimate.raw_noise;

  std::vector<at::Tensor> m;
  if (!state.history.empty()) {
    m.assign(state.history.begin() + 1, state.history.end());
    if (Corrects(state.step - 1)) {
      const int64_t order = OrderOf(state.step - 1, static_cast<int64_t>(m.size()));
      state.x = Move(state.history[0], m, i - 1, order, prediction);
    }
  }
  Remember(m, prediction, config_.solver_order);
  const at::Tensor before = state.x;
  state.x = Move(before, m, i, OrderOf(state.step, static_cast<int64_t>(m.size())), {});
  state.history = {before};
  state.history.insert(state.history.end(), m.begin(), m.end());
}

at::Tensor UniPcSampler::Move(const at::Tensor& x, const std::vector<at::Tensor>& m, size_t from,
                              int64_t order, const at::Tensor& next) const {
  const NoiseLevel& s = levels_[from];
  const NoiseLevel& t = levels_[from + 1];
  const double h = t.lambda() - s.lambda();
  if (h == 0) return x;
  const double hh = config_.predict_x0 ? -h : h;
  const double phi_1 = std::expm1(hh);
  const double scale = config_.predict_x0 ? t.alpha : t.sigma;
  const at::Tensor& newest = m.back();
  const double keep = config_.predict_x0 ? t.sigma / s.sigma : t.alpha / s.alpha;
  const at::Tensor base = keep * x - scale * phi_1 * newest;
  if (order == 1 && !next.defined()) return base;

  // Nodes in units of h, the differences to the newest prediction, and the right-hand side.
  std::vector<double> nodes;
  std::vector<at::Tensor> differences;
  for (int64_t k = 1; k < order; ++k) {
    const size_t back = static_cast<size_t>(k);
    nodes.push_back((levels_[from - back].lambda() - s.lambda()) / h);
    differences.push_back((m[m.size() - 1 - back] - newest) / nodes.back());
  }
  if (next.defined()) {
    nodes.push_back(1);
    differences.push_back(next - newest);
  }
  const double b_h = config_.solver_bh1 ? hh : phi_1;
  std::vector<double> b;
  double phi = phi_1 / hh - 1, factorial = 1;
  for (size_t i = 1; i <= nodes.size(); ++i) {
    b.push_back(phi * factorial / b_h);
    factorial *= static_cast<double>(i + 1);
    phi = phi / hh - 1 / factorial;
  }
  // Where one difference decides, one half is as good in order and is what the reference takes.
  const std::vector<double> weights = nodes.size() == 1 ? std::vector<double>{0.5} : Weights(nodes, b);
  at::Tensor sum = weights[0] * differences[0];
  for (size_t k = 1; k < weights.size(); ++k) sum = sum + weights[k] * differences[k];
  return base - scale * b_h * sum;
}

}  // namespace mind::diffusion
