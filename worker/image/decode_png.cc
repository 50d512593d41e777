#include <png.h>

#include <stdexcept>

#include "worker/image/decode.h"

namespace mind::image {

RgbPicture DecodePng(std::string_view file) {
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
  // Read with its alpha and drop that: asking libpng for RGB would blend with a background.
  image.format = PNG_FORMAT_RGBA;
  RgbPicture picture{.data = std::vector<uint8_t>(PNG_IMAGE_SIZE(image)),
                     .width = static_cast<int>(image.width),
                     .height = static_cast<int>(image.height)};
  std::vector<uint8_t>& data = picture.data;
  if (png_image_finish_read(&image, nullptr, data.data(), 0, nullptr) == 0) {
    throw std::runtime_error(std::string("PNG: ") + image.message);
  }
  // In place: a picture may be 128 MiB.
  const size_t pixels = data.size() / 4;
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) data[3 * i + c] = data[4 * i + c];
  }
  data.resize(3 * pixels);
  return picture;
}

}  // namespace mind::image
