#include <webp/encode.h>

#include <memory>
#include <stdexcept>

#include "worker/image/encode.h"

namespace mind::image {

std::string EncodeWebp(const RgbView& picture) {
  uint8_t* bytes = nullptr;
  const size_t size =
      WebPEncodeLosslessRGB(picture.data, picture.width, picture.height, picture.width * 3, &bytes);
  const std::unique_ptr<uint8_t, decltype(&WebPFree)> owner(bytes, &WebPFree);
  if (size == 0) throw std::runtime_error("WebP: the picture cannot be encoded");
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace mind::image
