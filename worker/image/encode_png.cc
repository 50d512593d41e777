#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <utility>

#include "worker/image/encode.h"

namespace mind::image {
namespace {

// libpng's own level 6 spends most of the time for little; measured on our pictures: 3 is 2× faster and 2 %
// larger.
constexpr int kCompressionLevel = 3;

// An exception must not cross libpng's own frames: its errors jump back into Run, which throws.
struct Writer {
  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, Leave, Ignore);
    if (png == nullptr) throw std::runtime_error("PNG: out of memory");
    info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_write_struct(&png, nullptr);
      throw std::runtime_error("PNG: out of memory");
    }
    Run([this] { png_set_write_fn(png, this, Append, [](png_structp) {}); });
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Makes calls of libpng. What `calls` owns is not destroyed where one has an error: it must own nothing.
  template <typename Calls>
  void Run(const Calls& calls) {
    if (setjmp(png_jmpbuf(png)) != 0) throw std::runtime_error(std::string("PNG: ") + text);
    calls();
  }

  [[noreturn]] static void Leave(png_structp png, png_const_charp message) {
    auto* const writer = static_cast<Writer*>(png_get_error_ptr(png));
    std::snprintf(writer->text, sizeof writer->text, "%s", message);
    png_longjmp(png, 1);
  }
  static void Ignore(png_structp, png_const_charp) {}
  static void Append(png_structp png, png_bytep data, png_size_t size) {
    bool appended = false;
    try {
      static_cast<Writer*>(png_get_io_ptr(png))->bytes.append(reinterpret_cast<const char*>(data), size);
      appended = true;
    } catch (const std::bad_alloc&) {
      // Said below, where no exception is on its way.
    }
    if (!appended) png_error(png, "out of memory");
  }

  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string bytes;
  char text[256] = "";
};

// UTF-8 to Latin-1; false if a character is not in it.
bool ToLatin1(const std::string& utf8, std::string* out) {
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      out->push_back(utf8[i]);
    } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < utf8.size()) {
      out->push_back(static_cast<char>((byte << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3F)));
    } else {
      return false;
    }
  }
  return true;
}

void SetText(Writer& writer, const std::string& parameters) {
  std::string latin1;
  const bool plain = ToLatin1(parameters, &latin1);
  std::string text = plain ? latin1 : parameters;
  std::string keyword = "parameters", empty;
  png_text chunk{};
  chunk.compression = plain ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
  chunk.key = keyword.data();
  chunk.text = text.data();
  chunk.text_length = plain ? text.size() : 0;
  chunk.itxt_length = plain ? 0 : text.size();
  chunk.lang = empty.data();
  chunk.lang_key = empty.data();
  writer.Run([&] { png_set_text(writer.png, writer.info, &chunk, 1); });
}

}  // namespace

std::string EncodePng(const RgbView& picture, const std::string& parameters) {
  Writer writer;
  writer.Run([&] {
    png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(picture.width),
                 static_cast<png_uint_32>(picture.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(writer.png, kCompressionLevel);
  });
  if (!parameters.empty()) SetText(writer, parameters);
  writer.Run([&] {
    png_write_info(writer.png, writer.info);
    for (int y = 0; y < picture.height; ++y) {
      png_write_row(writer.png,
                    picture.data + static_cast<size_t>(y) * static_cast<size_t>(picture.width) * 3);
    }
    png_write_end(writer.png, nullptr);
  });
  return std::move(writer.bytes);
}

}  // namespace mind::image
