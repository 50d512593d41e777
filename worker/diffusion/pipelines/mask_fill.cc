#include "worker/diffusion/pipelines/mask_fill.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace mind::diffusion {
namespace {

constexpr size_t kBands = 4;  // red, green, blue, alpha
using Pixel = std::array<uint8_t, kBands>;
using Line = std::vector<Pixel>;

// Pixels whose colours are multiplied by their alpha, or are not, as whoever holds them says.
struct Layer {
  int64_t height = 0, width = 0;
  Line pixels;
};

// x / 255, rounded, for x up to 255². Source: Pillow's DIV255.
uint8_t By255(uint32_t x) {
  x += 128;
  return static_cast<uint8_t>(((x >> 8) + x) >> 8);
}

// A box of this radius, which need not be whole: its outermost pixels count in part. What lies beyond an edge
// is the pixel at it. Source: Pillow's ImagingHorizontalBoxBlur.
void BoxBlur(double radius, const Line& in, Line& out) {
  const auto last = static_cast<int64_t>(in.size()) - 1, whole = static_cast<int64_t>(radius);
  const auto weight = static_cast<uint32_t>((1U << 24) / (static_cast<float>(radius) * 2 + 1));
  const uint32_t outer = ((1U << 24) - static_cast<uint32_t>(2 * whole + 1) * weight) / 2;
  const auto at = [&](int64_t place) -> const Pixel& {
    return in[static_cast<size_t>(std::clamp<int64_t>(place, 0, last))];
  };
  for (size_t band = 0; band < kBands; ++band) {
    uint32_t sum = 0;
    for (int64_t place = -whole; place <= whole; ++place) sum += at(place)[band];
    for (int64_t place = 0; place <= last; ++place) {
      const uint32_t ends = at(place - whole - 1)[band] + at(place + whole + 1)[band];
      out[static_cast<size_t>(place)][band] =
          static_cast<uint8_t>((sum * weight + ends * outer + (1U << 23)) >> 24);
      sum += at(place + whole + 1)[band];
      sum -= at(place - whole)[band];
    }
  }
}

// Three boxes in a row are nearly a Gaussian of this deviation. Source: Pillow's _gaussian_blur_radius.
double BoxRadius(double deviation) {
  constexpr double kPasses = 3;
  const double variance = deviation * deviation / kPasses;
  const double whole = std::floor((std::sqrt(12 * variance + 1) - 1) / 2);
  const double part =
      (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) * (whole + 1)));
  return whole + part;
}

// Rows, then columns.
Layer Blurred(Layer layer, double deviation) {
  if (deviation == 0) return layer;
  constexpr int kPasses = 3;
  const double radius = BoxRadius(deviation);
  const auto blur = [&](int64_t lines, int64_t length, int64_t between_lines, int64_t between_pixels) {
    Line line(static_cast<size_t>(length)), other(line.size());
    for (int64_t i = 0; i < lines; ++i) {
      const auto pixel = [&](int64_t j) -> Pixel& {
        return layer.pixels[static_cast<size_t>(i * between_lines + j * between_pixels)];
      };
      for (int64_t j = 0; j < length; ++j) line[static_cast<size_t>(j)] = pixel(j);
      for (int pass = 0; pass < kPasses; ++pass) {
        BoxBlur(radius, line, other);
        std::swap(line, other);
      }
      for (int64_t j = 0; j < length; ++j) pixel(j) = line[static_cast<size_t>(j)];
    }
  };
  blur(layer.height, layer.width, layer.width, 1);
  blur(layer.width, layer.height, 1, layer.width);
  return layer;
}

// Colours that are not multiplied by alpha. Source: Pillow's rgba2rgbA, the other way.
Pixel Unmultiplied(const Pixel& pixel) {
  const uint32_t alpha = pixel[3];
  if (alpha == 0 || alpha == 255) return pixel;
  Pixel plain = pixel;
  for (size_t band = 0; band < 3; ++band)
    plain[band] = static_cast<uint8_t>(std::min<uint32_t>(255U * pixel[band] / alpha, 255));
  return plain;
}

// `over` on top of `under`. Source: Pillow's ImagingAlphaComposite.
Pixel Composite(const Pixel& under, const Pixel& over) {
  constexpr uint32_t kMore = 7;  // bits, for precision
  if (over[3] == 0) return under;
  const auto by255 = [](uint32_t x) { return ((x >> 8) + x) >> 8; };
  const uint32_t alpha = over[3], left = under[3] * (255 - alpha), both = alpha * 255 + left;
  const uint32_t share = alpha * 255 * 255 * (1U << kMore) / both, rest = 255 * (1U << kMore) - share;
  Pixel made;
  for (size_t band = 0; band < 3; ++band)
    made[band] =
        static_cast<uint8_t>(by255(over[band] * share + under[band] * rest + (0x80U << kMore)) >> kMore);
  made[3] = static_cast<uint8_t>(by255(both + 0x80));
  return made;
}

// What is not masked, multiplied by how little it is.
Layer Unmasked(const at::Tensor& picture, const at::Tensor& mask) {
  Layer layer{picture.size(0), picture.size(1), {}};
  layer.pixels.resize(static_cast<size_t>(layer.height * layer.width));
  const at::Tensor colours = picture.contiguous(), painted = mask.contiguous();
  const uint8_t* colour = colours.data_ptr<uint8_t>();
  const uint8_t* masked = painted.data_ptr<uint8_t>();
  for (Pixel& pixel : layer.pixels) {
    const uint32_t kept = 255U - *masked++;
    for (size_t band = 0; band < 3; ++band) pixel[band] = By255(*colour++ * kept);
    pixel[3] = By255(255 * kept);
  }
  return layer;
}

}  // namespace

at::Tensor FilledIn(const at::Tensor& picture, const at::Tensor& mask) {
  constexpr std::pair<double, int> kBlurs[] = {{256, 1}, {64, 1}, {16, 2}, {4, 4}, {2, 2}, {0, 1}};
  const Layer unmasked = Unmasked(picture, mask);
  Line made(unmasked.pixels.size(), Pixel{});
  for (const auto& [deviation, times] : kBlurs) {
    const Layer blurred = Blurred(unmasked, deviation);
    for (size_t i = 0; i < made.size(); ++i) {
      const Pixel over = Unmultiplied(blurred.pixels[i]);
      for (int time = 0; time < times; ++time) made[i] = Composite(made[i], over);
    }
  }
  at::Tensor filled = at::empty({unmasked.height, unmasked.width, 3}, at::kByte);
  uint8_t* out = filled.data_ptr<uint8_t>();
  for (const Pixel& pixel : made) out = std::copy(pixel.begin(), pixel.begin() + 3, out);
  return filled;
}

}  // namespace mind::diffusion
