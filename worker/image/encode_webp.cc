#include <webp/encode.h>

#include <memory>
#include <stdexcept>

#include "worker/image/encode.h"

namespace mind::image {
namespace {

// What the library has made, which is its own to free.
std::string Take(uint8_t* bytes, size_t size) {
  const std::unique_ptr<uint8_t, decltype(&WebPFree)> owner(bytes, &WebPFree);
  if (size == 0) throw std::runtime_error("WebP: the picture cannot be encoded");
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::string EncodeLosslessWebp(const RgbView& picture) {
  uint8_t* bytes = nullptr;
  const size_t size =
      WebPEncodeLosslessRGB(picture.data, picture.width, picture.height, picture.width * 3, &bytes);
  return Take(bytes, size);
}

std::string EncodeWebp(const RgbView& picture, int quality) {
  uint8_t* bytes = nullptr;
  const size_t size = WebPEncodeRGB(picture.data, picture.width, picture.height, picture.width * 3,
                                    static_cast<float>(quality), &bytes);
  return Take(bytes, size);
}

}  // namespace mind::image
