#include "client/cli/half_blocks.h"

#include <cstdio>  // jpeglib.h needs it first
#include <stdexcept>
#include <vector>

#include <jpeglib.h>

#include "absl/strings/str_format.h"

namespace mind::cli {
namespace {

struct Pixels {
  int width = 0, height = 0;
  std::vector<unsigned char> rgb;

  const unsigned char* At(int x, int y) const {
    return &rgb[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3];
  }
};

struct Decompressor {
  Decompressor() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = [](j_common_ptr) { throw std::runtime_error("not a JPEG"); };
    errors.output_message = [](j_common_ptr) {};
    jpeg_create_decompress(&info);
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
};

Pixels Decode(const std::string& jpeg) {
  Decompressor decompressor;
  jpeg_decompress_struct& info = decompressor.info;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(jpeg.data()), jpeg.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  Pixels pixels{static_cast<int>(info.output_width), static_cast<int>(info.output_height), {}};
  pixels.rgb.resize(static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height) * 3);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = &pixels.rgb[static_cast<size_t>(info.output_scanline) * info.output_width * 3];
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return pixels;
}

}  // namespace

std::string DrawJpeg(const std::string& jpeg, int max_columns) {
  Pixels pixels;
  try {
    pixels = Decode(jpeg);
  } catch (const std::runtime_error&) {
    return "";
  }
  const int shrink = std::max(1, (pixels.width + max_columns - 1) / max_columns);
  std::string out;
  for (int y = 0; y + shrink < pixels.height; y += 2 * shrink) {
    for (int x = 0; x < pixels.width; x += shrink) {
      const unsigned char* const top = pixels.At(x, y);
      const unsigned char* const bottom = pixels.At(x, y + shrink);
      absl::StrAppendFormat(&out, "\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm▀", top[0], top[1], top[2],
                            bottom[0], bottom[1], bottom[2]);
    }
    out += "\x1b[0m\n";
  }
  return out;
}

}  // namespace mind::cli
