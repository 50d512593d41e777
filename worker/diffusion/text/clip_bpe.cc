#include "worker/diffusion/text/clip_bpe.h"

#include <memory>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/prompt_length.h"
#include "worker/diffusion/text/special_token.h"
#include "worker/diffusion/text/unicode.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

constexpr char kWordEnd[] = "</w>";

// NFC, runs of white space to one space, lower case, optionally spaces around ideographs.
std::u32string Normalize(std::string_view text, bool split_cjk) {
  std::u32string out;
  for (const char32_t c : DecodeUtf8(NormalizeNfc(text))) {
    if (IsWhitespace(c)) {
      if (out.empty() || out.back() != U' ') out.push_back(U' ');
    } else if (split_cjk && IsCjkIdeograph(c)) {
      out.append({U' ', c, U' '});
    } else {
      out.push_back(c);
    }
  }
  return Lowercase(out);
}

// CLIP's pattern: 's|'t|'re|'ve|'m|'ll|'d | \p{L}+ | \p{N} | [^\s\p{L}\p{N}]+, first match at each place.
size_t WordLength(std::u32string_view text) {
  if (text[0] == U'\'') {
    for (const std::u32string_view contraction : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
      if (text.substr(0, contraction.size()) == contraction) return contraction.size();
    }
  }
  if (IsNumber(text[0])) return 1;
  const bool letters = IsLetter(text[0]);
  const auto belongs = [letters](char32_t c) {
    return letters ? IsLetter(c) : !IsWhitespace(c) && !IsLetter(c) && !IsNumber(c);
  };
  size_t length = 1;
  while (length < text.size() && belongs(text[length])) ++length;
  return length;
}

}  // namespace

std::unique_ptr<ClipBpeTokenizer> ClipBpeTokenizer::FromDirectory(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  Options options;
  options.model_length = ModelLength(config, 77, 4096);
  options.split_cjk = config.Bool("tokenize_chinese_chars", false);
  options.begin = SpecialToken(config, "bos_token", options.begin);
  options.end = SpecialToken(config, "eos_token", options.end);
  options.pad = SpecialToken(config, "pad_token", options.end);
  return std::unique_ptr<ClipBpeTokenizer>(new ClipBpeTokenizer(
      BytePairEncoding::FromFiles(directory + "/vocab.json", directory + "/merges.txt"), options, directory));
}

std::unique_ptr<ClipBpeTokenizer> ClipBpeTokenizer::Published(const std::string& pad) {
  static const BytePairEncoding* const encoding = [] {
    std::istringstream merges(EmbeddedMerges().at("merges.txt"));
    const Options options;
    return new BytePairEncoding(
        BytePairEncoding::FromMerges(merges, kWordEnd, {options.begin, options.end}, "CLIP's merges.txt"));
  }();
  Options options;
  options.pad = pad;
  return std::unique_ptr<ClipBpeTokenizer>(new ClipBpeTokenizer(*encoding, options, "CLIP's vocabulary"));
}

ClipBpeTokenizer::ClipBpeTokenizer(BytePairEncoding encoding, Options options, const std::string& directory)
    : encoding_(std::move(encoding)),
      options_(std::move(options)),
      begin_id_(encoding_.IdOf(options_.begin)),
      end_id_(encoding_.IdOf(options_.end)),
      pad_id_(encoding_.IdOf(options_.pad)) {
  for (const std::string& token : {options_.begin, options_.end, options_.pad}) {
    if (encoding_.IdOf(token) < 0) {
      throw ModelError(directory + ": the special token \"" + token + "\" is not in vocab.json");
    }
  }
}

void ClipBpeTokenizer::EncodePlain(std::string_view text, std::vector<int64_t>* ids) const {
  const std::u32string normalized = Normalize(text, options_.split_cjk);
  std::u32string_view rest = normalized;
  while (!rest.empty()) {
    if (IsWhitespace(rest[0])) {
      rest.remove_prefix(1);
      continue;
    }
    const size_t length = WordLength(rest);
    encoding_.EncodeWord(EncodeUtf8(rest.substr(0, length)), kWordEnd, end_id_, ids);
    rest.remove_prefix(length);
  }
}

std::vector<int64_t> ClipBpeTokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids = {begin_id_};
  // The marks themselves, written out in a prompt, are taken as marks.
  while (!text.empty()) {
    const size_t begin = text.find(options_.begin);
    const size_t end = text.find(options_.end);
    const size_t mark = std::min(begin, end);
    EncodePlain(text.substr(0, mark), &ids);
    if (mark == std::string_view::npos) break;
    ids.push_back(begin < end ? begin_id_ : end_id_);
    text.remove_prefix(mark + (begin < end ? options_.begin.size() : options_.end.size()));
  }
  ids.push_back(end_id_);
  return ids;
}

std::vector<int64_t> ClipBpeTokenizer::EncodePadded(std::string_view text, size_t length) const {
  return PaddedOrCut(Encode(text), length, end_id_, pad_id_);
}

}  // namespace mind::diffusion
