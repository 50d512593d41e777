// The Unicode facts tokenizers need, from utf8proc's tables.
#ifndef MIND_WORKER_DIFFUSION_TEXT_UNICODE_H_
#define MIND_WORKER_DIFFUSION_TEXT_UNICODE_H_

#include <string>
#include <string_view>
#include <vector>

namespace mind::diffusion {

// Code points of UTF-8 text; invalid bytes become U+FFFD.
std::u32string DecodeUtf8(std::string_view text);
std::string EncodeUtf8(std::u32string_view text);

// Canonical composition (NFC).
std::string NormalizeNfc(std::string_view text);
// Full lower-casing as Unicode's SpecialCasing has it for any language: "İ" gives two code points, and a
// sigma that ends a word becomes "ς". What Rust's str::to_lowercase does, and with it the tokenizers library.
std::u32string Lowercase(std::u32string_view text);

bool IsLetter(char32_t c);          // \p{L}
bool IsNumber(char32_t c);          // \p{N}
bool IsWhitespace(char32_t c);      // the White_Space property, which regular expressions call \s
bool IsSpaceSeparator(char32_t c);  // \p{Zs}
bool IsControl(char32_t c);         // \p{C}: control, format, private use, unassigned
bool IsPunctuation(char32_t c);     // \p{P}
// Canonically decomposed (NFD), nonspacing marks dropped.
std::u32string WithoutAccents(std::u32string_view text);
// The ideographs BERT-style tokenizers make words of their own (CJK Unified Ideographs and compatibility
// blocks).
bool IsCjkIdeograph(char32_t c);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_UNICODE_H_
