#include "worker/diffusion/text/qwen_words.h"

#include <algorithm>

#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

bool EndsLine(char32_t c) {
  return c == U'\r' || c == U'\n';
}

bool IsSign(char32_t c) {
  return !IsWhitespace(c) && !IsLetter(c) && !IsNumber(c);
}

// How many from `from` on, all of which `belongs` holds for.
template <typename Belongs>
size_t RunLength(std::u32string_view text, size_t from, Belongs belongs) {
  size_t at = from;
  while (at < text.size() && belongs(text[at])) ++at;
  return at - from;
}

// As regular expressions compare without case: beside S the long s stands for an s.
char32_t WithoutCase(char32_t c) {
  if (c >= U'A' && c <= U'Z') return c + (U'a' - U'A');
  return c == U'\u017F' ? U's' : c;
}

size_t ContractionLength(std::u32string_view text) {
  if (text[0] != U'\'') return 0;
  for (const std::u32string_view letters : {U"s", U"t", U"re", U"ve", U"m", U"ll", U"d"}) {
    const std::u32string_view behind = text.substr(1, letters.size());
    if (behind.size() == letters.size() &&
        std::equal(behind.begin(), behind.end(), letters.begin(),
                   [](char32_t c, char32_t letter) { return WithoutCase(c) == letter; }))
      return 1 + letters.size();
  }
  return 0;
}

// REQUIRES: the text begins with white space.
size_t BlankLength(std::u32string_view text) {
  const size_t run = RunLength(text, 0, IsWhitespace);
  // To the last line's end in it.
  for (size_t length = run; length > 0; --length) {
    if (EndsLine(text[length - 1])) return length;
  }
  // The last blank belongs to what comes after it, where there is something.
  return run < text.size() && run > 1 ? run - 1 : run;
}

}  // namespace

size_t QwenWordLength(std::u32string_view text) {
  if (const size_t contraction = ContractionLength(text); contraction > 0) return contraction;
  const char32_t first = text[0];
  // Letters, with one of almost anything else before them.
  const size_t before = IsLetter(first) ? 0 : 1;
  if (before == 0 || (!EndsLine(first) && !IsNumber(first))) {
    if (const size_t letters = RunLength(text, before, IsLetter); letters > 0) return before + letters;
  }
  if (IsNumber(first)) return 1;
  // Signs, with a space before them and lines' ends behind them.
  const size_t space = first == U' ' ? 1 : 0;
  if (const size_t signs = RunLength(text, space, IsSign); signs > 0)
    return space + signs + RunLength(text, space + signs, EndsLine);
  return BlankLength(text);
}

}  // namespace mind::diffusion
