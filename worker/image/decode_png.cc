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
  std::vector<uint8_t> rgba(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, rgba.data(), 0, nullptr) == 0) {
    throw std::runtime_error(std::string("PNG: ") + image.message);
  }
  RgbPicture picture{
      .data = {}, .width = static_cast<int>(image.width), .height = static_cast<int>(image.height)};
  picture.data.reserve(rgba.size() / 4 * 3);
  for (size_t i = 0; i < rgba.size(); i += 4) {
    picture.data.insert(picture.data.end(), {rgba[i], rgba[i + 1], rgba[i + 2]});
  }
  return picture;
}

}  // namespace mind::image
