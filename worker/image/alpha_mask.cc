#include "worker/image/alpha_mask.h"

#include <algorithm>
#include <vector>

#include "worker/image/decode.h"
#include "worker/image/encode.h"
#include "worker/image/png_reader.h"

namespace mind::image {
namespace {

constexpr uint8_t kHalf = 128, kOpaque = 255;

// How opaque each pixel is, of a PNG that says so.
struct Opacity {
  std::vector<uint8_t> values;  // row by row
  int width = 0, height = 0;
};

std::optional<Opacity> OpacityOf(std::string_view file) {
  if (FormatOf(file) != "PNG") return std::nullopt;
  PngReader reader(file);
  if (!reader.has_alpha()) return std::nullopt;
  const std::vector<uint8_t> grey_alpha = reader.Read(PNG_FORMAT_GA);
  Opacity opacity{std::vector<uint8_t>(grey_alpha.size() / 2), reader.width(), reader.height()};
  for (size_t i = 0; i < opacity.values.size(); ++i) opacity.values[i] = grey_alpha[2 * i + 1];
  return opacity;
}

// A grey picture of them.
std::string GreyPng(const Opacity& of) {
  std::vector<uint8_t> rgb;
  rgb.reserve(3 * of.values.size());
  for (const uint8_t value : of.values) rgb.insert(rgb.end(), 3, value);
  return EncodePng({rgb.data(), of.width, of.height}, "");
}

}  // namespace

std::optional<std::string> MaskOfTransparency(std::string_view file) {
  std::optional<Opacity> opacity = OpacityOf(file);
  if (!opacity) return std::nullopt;
  bool any = false;
  for (uint8_t& value : opacity->values) {
    value = value < kHalf ? 255 : 0;
    any = any || value > 0;
  }
  return any ? std::optional(GreyPng(*opacity)) : std::nullopt;
}

std::optional<std::string> MaskOfOpacity(std::string_view file) {
  const std::optional<Opacity> opacity = OpacityOf(file);
  if (!opacity || std::all_of(opacity->values.begin(), opacity->values.end(),
                              [](uint8_t value) { return value == kOpaque; }))
    return std::nullopt;
  return GreyPng(*opacity);
}

}  // namespace mind::image
