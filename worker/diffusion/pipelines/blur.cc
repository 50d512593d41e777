#include "worker/diffusion/pipelines/blur.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace mind::diffusion {
namespace {

constexpr double kReach = 2.5;  // deviations

// Of the pixel itself and those to one side, up to where it is cut off; with the other side they sum to 1.
std::vector<double> HalfOfGaussian(double deviation) {
  const int64_t reach = static_cast<int64_t>(kReach * deviation + 0.5);
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = 0; i <= reach; ++i) {
    const double distance = static_cast<double>(i) / deviation;
    weights.push_back(std::exp(-distance * distance / 2));
    sum += (i == 0 ? 1 : 2) * weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// The lines of one dimension from -reach on, those beyond an edge mirrored in it, as often as it takes.
at::Tensor Mirrored(int64_t lines, int64_t reach) {
  const int64_t period = std::max<int64_t>(2 * lines - 2, 1);
  const at::Tensor places = at::arange(-reach, lines + reach, at::kLong).remainder(period);
  return at::minimum(places, period - places).clamp(0, lines - 1);
}

at::Tensor BlurLines(const at::Tensor& mask, int64_t dim, const std::vector<double>& weights) {
  const int64_t lines = mask.size(dim), reach = static_cast<int64_t>(weights.size()) - 1;
  const at::Tensor wide = mask.index_select(dim, Mirrored(lines, reach)).to(at::kFloat);
  at::Tensor sum = wide.narrow(dim, reach, lines) * weights.front();
  for (int64_t i = 1; i <= reach; ++i) {
    const double weight = weights[static_cast<size_t>(i)];
    sum.add_(wide.narrow(dim, reach - i, lines), weight).add_(wide.narrow(dim, reach + i, lines), weight);
  }
  return sum.round().clamp(0, 255).to(at::kByte);
}

}  // namespace

at::Tensor BlurMask(const at::Tensor& mask, double deviation) {
  if (deviation <= 0) return mask;
  const std::vector<double> weights = HalfOfGaussian(deviation);
  return BlurLines(BlurLines(mask, 1, weights), 0, weights);
}

}  // namespace mind::diffusion
