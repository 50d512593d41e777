// Pictures from files that strangers send: PNG, JPEG and WebP.
#ifndef MIND_WORKER_IMAGE_DECODE_H_
#define MIND_WORKER_IMAGE_DECODE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mind::image {

// 8-bit RGB, rows from the top, no padding.
struct RgbPicture {
  std::vector<uint8_t> data;
  int width = 0;  // pixels
  int height = 0;
};

// What is refused before memory is taken for it.
inline constexpr int kMaxExtent = 8192;  // pixels, each way
inline constexpr int64_t kMaxPixels = 32 * 1024 * 1024;

// By its first bytes: "PNG", "JPEG", "WebP", or empty for anything else.
std::string_view FormatOf(std::string_view file);

// An alpha channel is dropped, as Pillow's convert("RGB") does; more than 8 bits become 8; animations are
// refused. Throws std::runtime_error saying what is
// wrong. Any thread may call.
RgbPicture DecodePicture(std::string_view file);

// One format each, for whoever knows.
RgbPicture DecodePng(std::string_view file);
RgbPicture DecodeJpeg(std::string_view file);
RgbPicture DecodeWebp(std::string_view file);

// Throws std::runtime_error if a picture of this size is too large, or empty.
void CheckExtent(int64_t width, int64_t height);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_DECODE_H_
