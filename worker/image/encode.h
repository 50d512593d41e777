// Pictures as files: PNG, JPEG and WebP.
#ifndef MIND_WORKER_IMAGE_ENCODE_H_
#define MIND_WORKER_IMAGE_ENCODE_H_

#include <cstdint>
#include <string>

namespace mind::image {

// 8-bit RGB, rows from the top, no padding. Not owned.
struct RgbView {
  const uint8_t* data = nullptr;
  int width = 0;   // pixels, ≥ 1
  int height = 0;  // pixels, ≥ 1
};

// The following throw std::runtime_error if the codec library refuses. Any thread may call. The same pixels
// give the same bytes.

// Lossless. `parameters`, if not empty, is UTF-8 and becomes a text chunk of that keyword: tEXt where it is
// Latin-1, iTXt otherwise, as Pillow does.
std::string EncodePng(const RgbView& picture, const std::string& parameters);
// quality 1 … 100.
std::string EncodeJpeg(const RgbView& picture, int quality);
std::string EncodeLosslessWebp(const RgbView& picture);
// quality 1 … 100.
std::string EncodeWebp(const RgbView& picture, int quality);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_ENCODE_H_
