#include "worker/diffusion/pipelines/resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr double kLobes = 3;
constexpr double kCubicReach = 2;
constexpr int64_t kMostCovering = int64_t{1} << 26;  // pixels, of which the middle is kept
constexpr int kFractionBits = 32 - 8 - 2;            // of the fixed-point weights

double Lanczos(double x) {
  if (x < -kLobes || x >= kLobes) return 0;
  const auto sinc = [](double v) {
    return v == 0 ? 1 : std::sin(std::numbers::pi * v) / (std::numbers::pi * v);
  };
  return sinc(x) * sinc(x / kLobes);
}

double Bicubic(double x) {
  constexpr double kA = -0.5;
  const double v = std::abs(x);
  if (v < 1) return ((kA + 2) * v - (kA + 3)) * v * v + 1;
  return v < kCubicReach ? (((v - 5) * v + 8) * v - 4) * kA : 0;
}

double WeightAt(ResizeFilter filter, double x) {
  return filter == ResizeFilter::kBicubic ? Bicubic(x) : Lanczos(x);
}

// The pixels that make one pixel, and how much of each.
struct Window {
  int64_t first = 0;
  std::vector<int64_t> weights;  // fixed point
};

std::vector<Window> Windows(int64_t from, int64_t to, ResizeFilter filter) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0);
  const double support = (filter == ResizeFilter::kBicubic ? kCubicReach : kLobes) * stretch;
  std::vector<Window> windows;
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), from);
    std::vector<double> weights;
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      weights.push_back(WeightAt(filter, (static_cast<double>(k) - center + 0.5) / stretch));
      sum += weights.back();
    }
    Window window{.first = first, .weights = {}};
    for (const double weight : weights) {
      window.weights.push_back(std::llround(weight / sum * (1 << kFractionBits)));
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

// [rows, from, inner] → [rows, to, inner].
at::Tensor ResizeMiddle(const at::Tensor& picture, int64_t to, ResizeFilter filter) {
  const int64_t rows = picture.size(0), from = picture.size(1), inner = picture.size(2);
  const std::vector<Window> windows = Windows(from, to, filter);
  at::Tensor result = at::empty({rows, to, inner}, at::kByte);
  const uint8_t* const in = picture.data_ptr<uint8_t>();
  uint8_t* const out = result.data_ptr<uint8_t>();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < to; ++i) {
      const Window& window = windows[static_cast<size_t>(i)];
      for (int64_t c = 0; c < inner; ++c) {
        int64_t sum = int64_t{1} << (kFractionBits - 1);
        for (size_t k = 0; k < window.weights.size(); ++k) {
          const int64_t at = window.first + static_cast<int64_t>(k);
          sum += in[(row * from + at) * inner + c] * window.weights[k];
        }
        out[(row * to + i) * inner + c] =
            static_cast<uint8_t>(std::clamp<int64_t>(sum >> kFractionBits, 0, 255));
      }
    }
  }
  return result;
}

// Width and height in the proportions of one size: as large as covers another, or lies in it.
std::pair<int64_t, int64_t> InProportion(int64_t wide, int64_t high, int64_t width, int64_t height, Fit fit) {
  const bool wider = wide * height > width * high;
  // One side is the other size's; which one says whether it covers that or lies in it.
  if (wider == (fit == Fit::kCrop)) return {std::max<int64_t>(wide * height / high, 1), height};
  return {width, std::max<int64_t>(high * width / wide, 1)};
}

// So many lines around the middle; where there are fewer, those at the edges are repeated.
at::Tensor Centred(const at::Tensor& picture, int64_t dim, int64_t to) {
  const int64_t from = picture.size(dim);
  if (from == to) return picture;
  return picture.index_select(dim, (at::arange(to, at::kLong) + (from / 2 - to / 2)).clamp(0, from - 1));
}

}  // namespace

at::Tensor ResizePicture(const at::Tensor& picture, int64_t width, int64_t height, ResizeFilter filter) {
  at::Tensor result = picture.contiguous();
  const int64_t channels = result.size(2);
  const auto columns = [&] {
    if (result.size(1) != width) result = ResizeMiddle(result, width, filter);
  };
  const auto rows = [&] {
    if (result.size(0) == height) return;
    const int64_t wide = result.size(1);
    // Rows are the middle of [1, H, W·C].
    result = ResizeMiddle(result.view({1, result.size(0), wide * channels}), height, filter)
                 .view({height, wide, channels});
  };
  const bool rows_first = height < picture.size(0) && width > picture.size(1);
  if (rows_first) rows();
  columns();
  rows();
  return result;
}

at::Tensor FitPicture(const at::Tensor& picture, int64_t width, int64_t height, Fit fit,
                      ResizeFilter filter) {
  if (fit == Fit::kStretch) return ResizePicture(picture, width, height, filter);
  const int64_t high = picture.size(0), wide = picture.size(1);
  const auto [to_width, to_height] = InProportion(wide, high, width, height, fit);
  if (to_width * to_height > kMostCovering) {
    throw RequestError("a picture of " + std::to_string(wide) + "x" + std::to_string(high) +
                       " is too narrow to be cut to " + std::to_string(width) + "x" + std::to_string(height));
  }
  at::Tensor fitted = ResizePicture(picture, to_width, to_height, filter);
  fitted = Centred(fitted, 0, height);
  return Centred(fitted, 1, width);
}

at::Tensor FitLatents(const at::Tensor& latents, int64_t width, int64_t height) {
  const auto [to_width, to_height] =
      InProportion(latents.size(2), latents.size(1), width, height, Fit::kCrop);
  const at::Tensor fitted =
      at::upsample_bilinear2d(latents.unsqueeze(0), {to_height, to_width}, /*align_corners=*/false)
          .squeeze(0);
  return fitted.narrow(1, to_height / 2 - height / 2, height)
      .narrow(2, to_width / 2 - width / 2, width)
      .contiguous();
}

}  // namespace mind::diffusion
