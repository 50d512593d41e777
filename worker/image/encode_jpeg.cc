#include <cstdio>  // jpeglib.h needs it first
#include <cstdlib>

#include <jpeglib.h>

#include "worker/image/encode.h"
#include "worker/image/jpeg_errors.h"

namespace mind::image {
namespace {

struct Compressor {
  Compressor() {
    info.err = errors.manager();
    errors.Run([&] {
      jpeg_create_compress(&info);
      jpeg_mem_dest(&info, &buffer, &size);
    });
  }
  ~Compressor() {
    jpeg_destroy_compress(&info);
    std::free(buffer);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  jpeg_compress_struct info{};
  JpegErrors errors;
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT: the library's type
};

}  // namespace

std::string EncodeJpeg(const RgbView& picture, int quality) {
  Compressor compressor;
  jpeg_compress_struct& info = compressor.info;
  compressor.errors.Run([&] {
    info.image_width = static_cast<JDIMENSION>(picture.width);
    info.image_height = static_cast<JDIMENSION>(picture.height);
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    if (quality >= 90) {  // full colour resolution where quality is asked for
      info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      auto* row =
          const_cast<JSAMPROW>(picture.data + static_cast<size_t>(info.next_scanline) * info.image_width * 3);
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
  });
  return {reinterpret_cast<const char*>(compressor.buffer), compressor.size};
}

}  // namespace mind::image
