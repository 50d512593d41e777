#include "worker/diffusion/text/word_piece.h"

#include <fstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/prompt_length.h"
#include "worker/diffusion/text/special_token.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr size_t kMaxWord = 100;  // characters; longer ones are unknown

// What BERT calls so: beside Unicode's punctuation all of ASCII that is neither letter nor digit.
bool SplitsWords(char32_t c) {
  const bool ascii_sign =
      (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return ascii_sign || IsPunctuation(c);
}

bool IsBertSpace(char32_t c) {
  return c == U' ' || c == U'\t' || c == U'\n' || c == U'\r' || IsSpaceSeparator(c);
}

}  // namespace

std::unique_ptr<WordPieceTokenizer> WordPieceTokenizer::FromDirectory(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  Options options;
  options.model_length = ModelLength(config, 512, 4096);
  options.lower_case = config.Bool("do_lower_case", true);
  options.split_cjk = config.Bool("tokenize_chinese_chars", true);
  if (!config.Bool("do_basic_tokenize", true)) config.Unsupported("do_basic_tokenize", "true");
  if (!config.Unset("strip_accents") && config.Bool("strip_accents", false) != options.lower_case) {
    config.Unsupported("strip_accents", "null, or what do_lower_case is");
  }
  options.unknown = SpecialToken(config, "unk_token", options.unknown);
  options.begin = SpecialToken(config, "cls_token", options.begin);
  options.end = SpecialToken(config, "sep_token", options.end);
  options.pad = SpecialToken(config, "pad_token", options.pad);
  options.mask = SpecialToken(config, "mask_token", options.mask);

  std::ifstream file(directory + "/vocab.txt");
  if (!file) throw ModelError(directory + "/vocab.txt: missing or unreadable");
  std::unordered_map<std::string, int64_t> ids;
  int64_t id = 0;
  for (std::string line; std::getline(file, line); ++id) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ids.emplace(std::move(line), id);
  }
  return std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(std::move(ids), options, directory));
}

WordPieceTokenizer::WordPieceTokenizer(std::unordered_map<std::string, int64_t> ids, Options options,
                                       const std::string& directory)
    : ids_(std::move(ids)), options_(std::move(options)) {
  for (const auto& [piece, id] : ids_) largest_id_ = std::max(largest_id_, id);
  for (const std::string& token : {options_.unknown, options_.begin, options_.end, options_.pad}) {
    if (ids_.count(token) == 0) {
      throw ModelError(directory + ": the special token \"" + token + "\" is not in vocab.txt");
    }
  }
}

void WordPieceTokenizer::EncodeWord(std::u32string_view word, std::vector<int64_t>* ids) const {
  std::vector<int64_t> pieces;
  bool known = word.size() <= kMaxWord;
  for (size_t begin = 0; known && begin < word.size();) {
    size_t end = word.size();
    for (; end > begin; --end) {  // the longest piece first
      const std::string piece = (begin > 0 ? "##" : "") + EncodeUtf8(word.substr(begin, end - begin));
      if (const auto found = ids_.find(piece); found != ids_.end()) {
        pieces.push_back(found->second);
        break;
      }
    }
    known = end > begin;
    begin = end;
  }
  if (known) {
    ids->insert(ids->end(), pieces.begin(), pieces.end());
  } else {
    ids->push_back(ids_.at(options_.unknown));
  }
}

void WordPieceTokenizer::EncodePlain(std::string_view text, std::vector<int64_t>* ids) const {
  std::u32string clean;
  for (const char32_t c : DecodeUtf8(text)) {
    if (IsBertSpace(c)) {
      clean.push_back(U' ');
    } else if (c == 0 || c == 0xFFFD || IsControl(c)) {
      continue;
    } else if (options_.split_cjk && IsCjkIdeograph(c)) {
      clean.append({U' ', c, U' '});
    } else {
      clean.push_back(c);
    }
  }
  if (options_.lower_case) clean = WithoutAccents(Lowercase(clean));

  std::u32string word;
  const auto flush = [&] {
    if (!word.empty()) EncodeWord(word, ids);
    word.clear();
  };
  for (const char32_t c : clean) {
    if (IsWhitespace(c)) {
      flush();
    } else if (SplitsWords(c)) {
      flush();
      EncodeWord(std::u32string_view(&c, 1), ids);
    } else {
      word.push_back(c);
    }
  }
  flush();
}

std::vector<int64_t> WordPieceTokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids = {ids_.at(options_.begin)};
  // Special tokens, written out in a prompt, are taken as such.
  while (!text.empty()) {
    size_t at = std::string_view::npos;
    const std::string* token = nullptr;
    for (const std::string* const one :
         {&options_.unknown, &options_.begin, &options_.end, &options_.pad, &options_.mask}) {
      const size_t found = text.find(*one);
      if (found < at && ids_.count(*one) != 0) {
        at = found;
        token = one;
      }
    }
    EncodePlain(text.substr(0, at), &ids);
    if (token == nullptr) break;
    ids.push_back(ids_.at(*token));
    text.remove_prefix(at + token->size());
  }
  ids.push_back(ids_.at(options_.end));
  return ids;
}

std::vector<int64_t> WordPieceTokenizer::EncodePadded(std::string_view text, size_t length) const {
  return PaddedOrCut(Encode(text), length, ids_.at(options_.end), ids_.at(options_.pad));
}

}  // namespace mind::diffusion
