#include "worker/image/png_reader.h"

#include <stdexcept>
#include <string>

#include "worker/image/decode.h"

namespace mind::image {

PngReader::PngReader(std::string_view file) {
  if (png_image_begin_read_from_memory(&image_, file.data(), file.size()) == 0)
    throw std::runtime_error(std::string("PNG: ") + image_.message);
  CheckExtent(image_.width, image_.height);
}

std::vector<uint8_t> PngReader::Read(png_uint_32 format) {
  image_.format = format;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image_));
  if (png_image_finish_read(&image_, nullptr, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(std::string("PNG: ") + image_.message);
  return pixels;
}

}  // namespace mind::image
