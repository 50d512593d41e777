#include "worker/image/inverted_mask.h"

#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::image {

std::string InvertedMask(std::string_view file) {
  RgbPicture picture = DecodePicture(file);
  for (uint8_t& value : picture.data) value = static_cast<uint8_t>(255 - value);
  return EncodePng({picture.data.data(), picture.width, picture.height}, "");
}

}  // namespace mind::image
