#include "worker/image/decode.h"
#include "worker/image/png_reader.h"

namespace mind::image {

RgbPicture DecodePng(std::string_view file) {
  PngReader reader(file);
  // Read with its alpha and drop that: asking libpng for RGB would blend with a background.
  RgbPicture picture{
      .data = reader.Read(PNG_FORMAT_RGBA), .width = reader.width(), .height = reader.height()};
  std::vector<uint8_t>& data = picture.data;
  // In place: a picture may be 128 MiB.
  const size_t pixels = data.size() / 4;
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) data[3 * i + c] = data[4 * i + c];
  }
  data.resize(3 * pixels);
  return picture;
}

}  // namespace mind::image
