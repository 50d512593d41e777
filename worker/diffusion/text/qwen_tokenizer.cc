#include "worker/diffusion/text/qwen_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/prompt_length.h"
#include "worker/diffusion/text/qwen_tokenizer_file.h"
#include "worker/diffusion/text/qwen_words.h"
#include "worker/diffusion/text/special_token.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {

std::unique_ptr<QwenTokenizer> QwenTokenizer::FromDirectory(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  const size_t length = ModelLength(config, 131072, 1 << 24);
  const std::string padding = SpecialToken(config, "pad_token", "<|endoftext|>");
  const std::string whole = directory + "/tokenizer.json";
  QwenTokenizerFile file =
      std::filesystem::exists(whole) ? ReadQwenTokenizerJson(whole) : ReadQwenVocabulary(directory, config);
  return std::unique_ptr<QwenTokenizer>(
      new QwenTokenizer(std::move(file.encoding), std::move(file.marks), padding, length, directory));
}

QwenTokenizer::QwenTokenizer(BytePairEncoding encoding, Marks marks, const std::string& padding,
                             size_t length, const std::string& name)
    : encoding_(std::move(encoding)), marks_(std::move(marks)), length_(length) {
  std::vector<int64_t> bytes;
  for (int byte = 0; byte < 256; ++byte)
    encoding_.EncodeWord(std::string(1, static_cast<char>(byte)), "", -1, &bytes);
  if (std::find(bytes.begin(), bytes.end(), -1) != bytes.end())
    throw ModelError(name + ": the vocabulary lacks one of the 256 bytes");
  largest_id_ = encoding_.largest_id();
  for (const auto& [text, id] : marks_) {
    largest_id_ = std::max(largest_id_, id);
    longest_mark_ = std::max(longest_mark_, text.size());
  }
  const auto mark = marks_.find(padding);
  padding_ = mark != marks_.end() ? mark->second : encoding_.IdOf(padding);
  if (padding_ < 0) throw ModelError(name + ": the pad_token \"" + padding + "\" is no token");
}

QwenTokenizer::Marks::const_iterator QwenTokenizer::MarkAt(std::string_view text) const {
  // Marks that begin the text lie before it in their order, among those that begin with its first byte.
  for (auto mark = marks_.upper_bound(text.substr(0, longest_mark_)); mark != marks_.begin();) {
    --mark;
    if (mark->first[0] != text[0]) break;
    if (text.starts_with(mark->first)) return mark;
  }
  return marks_.end();
}

std::vector<int64_t> QwenTokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const auto mark = MarkAt(text.substr(at));
    if (mark == marks_.end()) {
      ++at;
      continue;
    }
    EncodePlain(text.substr(begin, at - begin), &ids);
    ids.push_back(mark->second);
    begin = at += mark->first.size();
  }
  EncodePlain(text.substr(begin), &ids);
  return ids;
}

void QwenTokenizer::EncodePlain(std::string_view text, std::vector<int64_t>* ids) const {
  const std::u32string normal = DecodeUtf8(NormalizeNfc(text));
  for (std::u32string_view rest = normal; !rest.empty();) {
    const size_t length = QwenWordLength(rest);
    encoding_.EncodeWord(EncodeUtf8(rest.substr(0, length)), "", padding_, ids);
    rest.remove_prefix(length);
  }
}

std::vector<int64_t> QwenTokenizer::EncodePadded(std::string_view text, size_t length) const {
  std::vector<int64_t> ids = Encode(text);
  ids.resize(length, padding_);
  return ids;
}

}  // namespace mind::diffusion
