#include <webp/decode.h>

#include <stdexcept>

#include "worker/image/decode.h"

namespace mind::image {

RgbPicture DecodeWebp(std::string_view file) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(file.data());
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(bytes, file.size(), &features) != VP8_STATUS_OK) {
    throw std::runtime_error("WebP: damaged or cut off");
  }
  if (features.has_animation != 0) throw std::runtime_error("WebP: animations are not supported");
  CheckExtent(features.width, features.height);
  RgbPicture picture{.data = {}, .width = features.width, .height = features.height};
  const size_t stride = static_cast<size_t>(picture.width) * 3;
  picture.data.resize(stride * static_cast<size_t>(picture.height));
  if (WebPDecodeRGBInto(bytes, file.size(), picture.data.data(), picture.data.size(),
                        static_cast<int>(stride)) == nullptr) {
    throw std::runtime_error("WebP: damaged or cut off");
  }
  return picture;
}

}  // namespace mind::image
