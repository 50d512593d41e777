#include "worker/image/decode.h"

#include <stdexcept>

namespace mind::image {

std::string_view FormatOf(std::string_view file) {
  using namespace std::literals;
  if (file.starts_with("\x89PNG\r\n\x1a\n"sv)) return "PNG";
  if (file.starts_with("\xff\xd8\xff"sv)) return "JPEG";
  if (file.size() >= 12 && file.starts_with("RIFF"sv) && file.substr(8, 4) == "WEBP"sv) return "WebP";
  return "";
}

RgbPicture DecodePicture(std::string_view file) {
  const std::string_view format = FormatOf(file);
  if (format == "PNG") return DecodePng(file);
  if (format == "JPEG") return DecodeJpeg(file);
  if (format == "WebP") return DecodeWebp(file);
  throw std::runtime_error("not a PNG, JPEG or WebP file");
}

void CheckExtent(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMaxExtent || height > kMaxExtent || width * height > kMaxPixels) {
    throw std::runtime_error("a picture of " + std::to_string(width) + "x" + std::to_string(height) +
                             " is not 1 to " + std::to_string(kMaxExtent) + " pixels each way and at most " +
                             std::to_string(kMaxPixels) + " in all");
  }
}

}  // namespace mind::image
