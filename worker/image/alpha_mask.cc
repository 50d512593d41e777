#include "worker/image/alpha_mask.h"

#include <vector>

#include "worker/image/decode.h"
#include "worker/image/encode.h"
#include "worker/image/png_reader.h"

namespace mind::image {
namespace {

constexpr uint8_t kHalf = 128;

}  // namespace

std::optional<std::string> MaskOfTransparency(std::string_view file) {
  if (FormatOf(file) != "PNG") return std::nullopt;
  PngReader reader(file);
  if (!reader.has_alpha()) return std::nullopt;
  const std::vector<uint8_t> grey_alpha = reader.Read(PNG_FORMAT_GA);
  bool any = false;
  std::vector<uint8_t> mask(grey_alpha.size() / 2 * 3);
  for (size_t i = 0; i < grey_alpha.size() / 2; ++i) {
    if (grey_alpha[2 * i + 1] >= kHalf) continue;
    any = true;
    mask[3 * i] = mask[3 * i + 1] = mask[3 * i + 2] = 255;
  }
  if (!any) return std::nullopt;
  return EncodePng({mask.data(), reader.width(), reader.height()}, "");
}

}  // namespace mind::image
