// A PNG file, read by libpng.
#ifndef MIND_WORKER_IMAGE_PNG_READER_H_
#define MIND_WORKER_IMAGE_PNG_READER_H_

#include <png.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace mind::image {

class PngReader {
 public:
  // Reads what it says of itself; the file must outlive the reader. Throws std::runtime_error where it is
  // none, and where it is larger than pictures may be.
  explicit PngReader(std::string_view file);
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  int width() const { return static_cast<int>(image_.width); }
  int height() const { return static_cast<int>(image_.height); }
  bool has_alpha() const { return (image_.format & PNG_FORMAT_FLAG_ALPHA) != 0; }

  // Its pixels row by row, in one of libpng's formats of bytes (PNG_FORMAT_…). Throws std::runtime_error
  // where they are damaged. Call once.
  std::vector<uint8_t> Read(png_uint_32 format);

 private:
  struct Image : png_image {
    Image() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~Image() { png_image_free(this); }
  };
  Image image_;
};

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_PNG_READER_H_
