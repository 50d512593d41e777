#include "worker/image/alpha_mask.h"

#include <png.h>

#include <stdexcept>
#include <vector>

#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::image {
namespace {

constexpr uint8_t kHalf = 128;

}  // namespace

std::optional<std::string> MaskOfTransparency(std::string_view file) {
  if (FormatOf(file) != "PNG") return std::nullopt;
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  struct Freed {
    png_image* image;
    ~Freed() { png_image_free(image); }
  } freed{&image};
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) {
    throw std::runtime_error(std::string("PNG: ") + image.message);
  }
  CheckExtent(image.width, image.height);
  if ((image.format & PNG_FORMAT_FLAG_ALPHA) == 0) return std::nullopt;
  image.format = PNG_FORMAT_GA;
  std::vector<uint8_t> grey_alpha(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, grey_alpha.data(), 0, nullptr) == 0) {
    throw std::runtime_error(std::string("PNG: ") + image.message);
  }
  bool any = false;
  std::vector<uint8_t> mask(grey_alpha.size() / 2 * 3);
  for (size_t i = 0; i < grey_alpha.size() / 2; ++i) {
    if (grey_alpha[2 * i + 1] >= kHalf) continue;
    any = true;
    mask[3 * i] = mask[3 * i + 1] = mask[3 * i + 2] = 255;
  }
  if (!any) return std::nullopt;
  return EncodePng({mask.data(), static_cast<int>(image.width), static_cast<int>(image.height)}, "");
}

}  // namespace mind::image
