#include <cstdio>  // jpeglib.h needs it first

#include <jpeglib.h>

#include "worker/image/decode.h"
#include "worker/image/jpeg_errors.h"

namespace mind::image {
namespace {

constexpr int kMaxScans = 100;  // a progressive file may ask for all its pixels again with every one

void CheckScans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans)
    JpegErrors::Fail(info, "more than 100 scans");
}

struct Decompressor {
  explicit Decompressor(std::string_view file) {
    errors.RefuseWarnings();
    info.err = errors.manager();
    errors.Run([&] {
      jpeg_create_decompress(&info);
      progress.progress_monitor = CheckScans;
      info.progress = &progress;
      jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()),
                   static_cast<unsigned long>(file.size()));  // NOLINT: the library's type
    });
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  jpeg_decompress_struct info{};
  JpegErrors errors;
  jpeg_progress_mgr progress{};
};

}  // namespace

RgbPicture DecodeJpeg(std::string_view file) {
  Decompressor decompressor(file);
  jpeg_decompress_struct& info = decompressor.info;
  decompressor.errors.Run([&] { jpeg_read_header(&info, TRUE); });
  CheckExtent(info.image_width, info.image_height);
  decompressor.errors.Run([&] {
    info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&info);
  });
  RgbPicture picture{.data = {},
                     .width = static_cast<int>(info.output_width),
                     .height = static_cast<int>(info.output_height)};
  const size_t stride = static_cast<size_t>(picture.width) * 3;
  picture.data.resize(stride * static_cast<size_t>(picture.height));
  decompressor.errors.Run([&] {
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = picture.data.data() + stride * info.output_scanline;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  });
  return picture;
}

}  // namespace mind::image
