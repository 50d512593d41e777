#include "worker/diffusion/models/rotary.h"

#include <numeric>
#include <utility>

namespace mind::diffusion {
namespace {

at::TensorOptions Places(at::Device device) {
  return at::TensorOptions().dtype(at::kLong).device(device);
}

}  // namespace

Rotary Rotary::OfAxes(std::vector<int64_t> widths, double theta) {
  for (int64_t& width : widths) width /= 2;
  return Rotary(std::move(widths), theta, /*shared=*/false);
}

Rotary Rotary::OfSections(std::vector<int64_t> sections, double theta) {
  return Rotary(std::move(sections), theta, /*shared=*/true);
}

int64_t Rotary::head_width() const {
  return 2 * std::accumulate(pairs_.begin(), pairs_.end(), int64_t{0});
}

Rotation Rotary::At(const at::Tensor& positions) const {
  const at::Tensor places = positions.to(at::kDouble);
  std::vector<at::Tensor> angles;
  int64_t begin = 0;  // of this axis' pairs in the run of frequencies
  for (size_t axis = 0; axis < pairs_.size(); ++axis) {
    const int64_t pairs = pairs_[axis], run = shared_ ? head_width() / 2 : pairs;
    const at::Tensor exponents =
        at::arange(begin, begin + pairs, places.options()) / static_cast<double>(run);
    angles.push_back(places.narrow(-1, static_cast<int64_t>(axis), 1) * at::pow(theta_, -exponents));
    if (shared_) begin += pairs;
  }
  const at::Tensor angle = at::cat(angles, -1);
  return {.cosines = at::cos(angle).to(at::kFloat), .sines = at::sin(angle).to(at::kFloat)};
}

at::Tensor Rotated(const at::Tensor& x, const Rotation& rotation, RotaryPairs pairs) {
  const bool neighbours = pairs == RotaryPairs::kNeighbours;
  const int64_t half = x.size(-1) / 2;
  // The points' two coordinates, [B, N, heads, d/2] each.
  const at::Tensor numbers = x.to(at::kFloat);
  const at::Tensor points = neighbours ? numbers.unflatten(-1, {half, 2}) : numbers.unflatten(-1, {2, half});
  const int64_t coordinates = neighbours ? -1 : -2;
  const at::Tensor a = points.select(coordinates, 0), b = points.select(coordinates, 1);
  const at::Tensor cosines = rotation.cosines.unsqueeze(-2), sines = rotation.sines.unsqueeze(-2);
  return at::stack({a * cosines - b * sines, b * cosines + a * sines}, coordinates)
      .flatten(-2)
      .to(x.scalar_type());
}

at::Tensor GridPositions(const std::vector<int64_t>& first, int64_t rows, int64_t columns,
                         at::Device device) {
  std::vector<at::Tensor> axes;
  for (size_t axis = 0; axis < first.size(); ++axis) {
    at::Tensor places = at::full({1, 1}, first[axis], Places(device));
    if (axis == 1) places = places + at::arange(rows, Places(device)).unsqueeze(1);
    if (axis == 2) places = places + at::arange(columns, Places(device)).unsqueeze(0);
    axes.push_back(places.expand({rows, columns}));
  }
  return at::stack(axes, -1).flatten(0, 1);
}

at::Tensor LinePositions(const std::vector<int64_t>& first, const std::vector<int64_t>& step, int64_t count,
                         at::Device device) {
  const at::Tensor numbers = at::arange(count, Places(device));
  std::vector<at::Tensor> axes;
  for (size_t axis = 0; axis < first.size(); ++axis) axes.push_back(numbers * step[axis] + first[axis]);
  return at::stack(axes, -1);
}

}  // namespace mind::diffusion
