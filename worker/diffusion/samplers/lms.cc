#include "worker/diffusion/samplers/lms.h"

#include <cmath>

namespace mind::diffusion {
namespace {

constexpr int64_t kMultistepOrder = 4;

// The integral from a to b of the polynomial that is 1 at nodes[j] and 0 at the other nodes. Gauss-Legendre
// with two points: exact up to the third degree, which is all that four nodes make.
double IntegratedBasis(const std::vector<double>& nodes, size_t j, double a, double b) {
  double sum = 0;
  for (const double point : {-1 / std::sqrt(3.0), 1 / std::sqrt(3.0)}) {
    const double sigma = (a + b) / 2 + point * (b - a) / 2;
    double product = 1;
    for (size_t k = 0; k < nodes.size(); ++k) {
      if (k != j) product *= (sigma - nodes[k]) / (nodes[j] - nodes[k]);
    }
    sum += product;
  }
  return sum * (b - a) / 2;
}

}  // namespace

Task LmsSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  Remember(state.history, estimate.noise, kMultistepOrder);

  std::vector<double> nodes;  // the sigmas the slopes were taken at
  const size_t first = static_cast<size_t>(state.step) + 1 - state.history.size();
  for (size_t i = 0; i < state.history.size(); ++i) nodes.push_back(levels_[first + i].sigma);
  at::Tensor x = state.x;
  for (size_t i = 0; i < nodes.size(); ++i) {
    x = x + state.history[i] * IntegratedBasis(nodes, i, From(state).sigma, To(state).sigma);
  }
  state.x = x;
}

}  // namespace mind::diffusion
