#include "worker/image/png_text.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "worker/image/decode.h"

namespace mind::image {
namespace {

constexpr png_alloc_size_t kMostBytes = 1 << 20;  // of a chunk, unpacked

// An exception must not cross libpng's own frames: its errors jump back into Run, which throws.
struct Reader {
  explicit Reader(std::string_view file) : left(file) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, Leave, [](png_structp, png_const_charp) {});
    if (png == nullptr) throw std::runtime_error("PNG: out of memory");
    info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::runtime_error("PNG: out of memory");
    }
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void Run() {
    if (setjmp(png_jmpbuf(png)) != 0) throw std::runtime_error(std::string("PNG: ") + text);
    png_set_read_fn(png, this, Take);
    png_set_chunk_malloc_max(png, kMostBytes);
    png_read_info(png, info);
  }

  [[noreturn]] static void Leave(png_structp png, png_const_charp message) {
    auto* const reader = static_cast<Reader*>(png_get_error_ptr(png));
    std::snprintf(reader->text, sizeof reader->text, "%s", message);
    png_longjmp(png, 1);
  }
  static void Take(png_structp png, png_bytep data, png_size_t size) {
    auto* const reader = static_cast<Reader*>(png_get_io_ptr(png));
    if (size > reader->left.size()) png_error(png, "the file ends too soon");
    std::memcpy(data, reader->left.data(), size);
    reader->left.remove_prefix(size);
  }

  std::string_view left;
  png_structp png = nullptr;
  png_infop info = nullptr;
  char text[256] = "";
};

std::string FromLatin1(std::string_view latin1) {
  std::string utf8;
  for (const char c : latin1) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8.push_back(c);
    } else {
      utf8.push_back(static_cast<char>(0xC0 | (byte >> 6)));
      utf8.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return utf8;
}

}  // namespace

std::map<std::string, std::string> TextsOfPng(std::string_view file) {
  if (FormatOf(file) != "PNG") throw std::runtime_error("not a PNG");
  Reader reader(file);
  reader.Run();
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(reader.png, reader.info, &texts, &count);
  std::map<std::string, std::string> found;
  for (int i = 0; i < count; ++i) {
    const bool utf8 = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    const std::string_view text(texts[i].text, utf8 ? texts[i].itxt_length : texts[i].text_length);
    found[FromLatin1(texts[i].key)] = utf8 ? std::string(text) : FromLatin1(text);
  }
  return found;
}

}  // namespace mind::image
