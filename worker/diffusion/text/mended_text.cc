// Mended() of caption.h.
#include <utf8proc.h>

#include <algorithm>

#include "worker/diffusion/text/caption.h"
#include "worker/diffusion/text/html_text.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

// The byte that Windows-1252 has for a character, Latin-1's control characters being their own; -1: none.
int Windows1252ByteOf(char32_t c) {
  for (char32_t byte = 0x80; byte < 0x100; ++byte) {
    if (FromWindows1252(byte) == c || (byte == c && c < 0xA0)) return static_cast<int>(byte);
  }
  return -1;
}

// General punctuation, U+2000 … U+206F, of the three characters that its bytes were taken for; 0: it is none.
char32_t MisreadPunctuation(std::u32string_view text) {
  constexpr int kFirst = 0xE2, kContinues = 0x80;
  if (text.size() < 3 || Windows1252ByteOf(text[0]) != kFirst) return 0;
  const int second = Windows1252ByteOf(text[1]), third = Windows1252ByteOf(text[2]);
  if ((second != kContinues && second != kContinues + 1) || third < kContinues || third >= 0xC0) return 0;
  const char32_t c =
      0x2000 + static_cast<char32_t>(second - kContinues) * 0x40 + static_cast<char32_t>(third - kContinues);
  return c <= 0x206F ? c : 0;
}

char32_t StraightQuote(char32_t c) {
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return U'\'';
  return c >= 0x201C && c <= 0x201F ? U'"' : c;
}

// Whether it stands for others that look like it but for their width, or is several letters in one.
bool IsFormOfOtherCharacters(char32_t c) {
  const bool wide_or_narrow = c == 0x3000 || (c >= 0xFF01 && c <= 0xFFEF);
  const bool ligature = (c >= 0xFB00 && c <= 0xFB06) || c == 0x132 || c == 0x133 || c == 0x149 ||
                        (c >= 0x1C4 && c <= 0x1CC) || (c >= 0x1F1 && c <= 0x1F3);
  return wide_or_narrow || ligature;
}

bool IsLeftOutOfMended(char32_t c) {
  return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

void AppendWithoutForms(char32_t c, std::u32string& out) {
  utf8proc_int32_t parts[32];
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, std::size(parts),
                              static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), nullptr);
  for (utf8proc_ssize_t i = 0; i < count; ++i) out += static_cast<char32_t>(parts[i]);
}

}  // namespace

std::u32string Mended(std::u32string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t meant = MisreadPunctuation(text.substr(at));
    const char32_t c = StraightQuote(meant != 0 ? meant : FromWindows1252(text[at]));
    at += meant != 0 ? 3 : 1;
    if (IsLeftOutOfMended(c)) continue;
    if (IsFormOfOtherCharacters(c)) {
      AppendWithoutForms(c, out);
    } else {
      out += c;
    }
  }
  return DecodeUtf8(NormalizeNfc(EncodeUtf8(out)));
}

}  // namespace mind::diffusion
