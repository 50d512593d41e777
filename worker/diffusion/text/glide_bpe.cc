#include "worker/diffusion/text/glide_bpe.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr char kEnd[] = "<|endoftext|>";

// GPT-2's pattern: 's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
size_t GlideWordLength(std::u32string_view text) {
  for (const std::u32string_view contraction : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (text.substr(0, contraction.size()) == contraction) return contraction.size();
  }
  const size_t space = text[0] == U' ' && text.size() > 1 ? 1 : 0;
  if (!IsWhitespace(text[space])) {
    const char32_t first = text[space];
    const auto belongs = [letter = IsLetter(first), number = IsNumber(first)](char32_t c) {
      if (letter) return IsLetter(c);
      if (number) return IsNumber(c);
      return !IsWhitespace(c) && !IsLetter(c) && !IsNumber(c);
    };
    size_t length = space + 1;
    while (length < text.size() && belongs(text[length])) ++length;
    return length;
  }
  size_t length = 1;
  while (length < text.size() && IsWhitespace(text[length])) ++length;
  // The last blank belongs to the word after it, where there is one.
  return length < text.size() && length > 1 ? length - 1 : length;
}

}  // namespace

std::unique_ptr<GlideBpeTokenizer> GlideBpeTokenizer::FromDirectory(const std::string& directory,
                                                                    size_t length) {
  BytePairEncoding encoding =
      BytePairEncoding::FromFiles(directory + "/encoder.json", directory + "/vocab.bpe");
  const int64_t end = encoding.IdOf(kEnd);
  if (end < 0) throw ModelError(directory + ": the token \"" + kEnd + "\" is not in encoder.json");
  return std::unique_ptr<GlideBpeTokenizer>(new GlideBpeTokenizer(std::move(encoding), end, length));
}

std::vector<int64_t> GlideBpeTokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids;
  const std::u32string lower = Lowercase(DecodeUtf8(text));
  for (std::u32string_view rest = lower; !rest.empty();) {
    const size_t length = GlideWordLength(rest);
    encoding_.EncodeWord(EncodeUtf8(rest.substr(0, length)), "", end_id_, &ids);
    rest.remove_prefix(length);
  }
  return ids;
}

std::vector<int64_t> GlideBpeTokenizer::EncodePadded(std::string_view text, size_t length) const {
  std::vector<int64_t> ids = Encode(text);
  ids.resize(length, end_id_);
  return ids;
}

}  // namespace mind::diffusion
