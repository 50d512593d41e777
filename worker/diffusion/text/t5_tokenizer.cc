#include "worker/diffusion/text/t5_tokenizer.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/prompt_length.h"
#include "worker/diffusion/text/special_token.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kMostT5Sentinels = 10'000;

// Of a mark that the configuration names, and the file of pieces must know.
int64_t IdOfT5Mark(const SentencePieceModel& model, const std::string& mark, const std::string& directory) {
  const auto found = std::find_if(model.pieces.begin(), model.pieces.end(),
                                  [&mark](const auto& piece) { return piece.text == mark; });
  if (found == model.pieces.end())
    throw ModelError(directory + ": the SentencePiece file has no piece \"" + mark + "\"");
  return found - model.pieces.begin();
}

}  // namespace

std::unique_ptr<T5Tokenizer> T5Tokenizer::FromDirectory(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  const size_t length = ModelLength(config, 512, 65536);
  const int64_t sentinels = config.Int("extra_ids", 100);
  if (sentinels < 0 || sentinels > kMostT5Sentinels)
    config.Unsupported("extra_ids", "0 to " + std::to_string(kMostT5Sentinels));
  std::unique_ptr<T5Tokenizer> tokenizer(
      new T5Tokenizer(SentencePieceTokenizer::FromDirectory(directory, length), sentinels, length));
  const SentencePieceModel& model = tokenizer->pieces_->model();
  const auto mark = [&](const char* key, const char* fallback) {
    const std::string text = SpecialToken(config, key, fallback);
    return tokenizer->marks_[text] = IdOfT5Mark(model, text, directory);
  };
  tokenizer->end_ = mark("eos_token", "</s>");
  tokenizer->padding_ = mark("pad_token", "<pad>");
  mark("unk_token", "<unk>");
  return tokenizer;
}

T5Tokenizer::T5Tokenizer(std::unique_ptr<const SentencePieceTokenizer> pieces, int64_t sentinels,
                         size_t length)
    : pieces_(std::move(pieces)), sentinels_(sentinels), length_(length) {
  for (int64_t i = 0; i < sentinels_; ++i) marks_["<extra_id_" + std::to_string(i) + ">"] = largest_id() - i;
}

std::vector<int64_t> T5Tokenizer::Encode(std::string_view text) const {
  std::vector<int64_t> ids;
  const auto cut = [&](std::string_view part) {
    const std::vector<int64_t> some = pieces_->Encode(part);
    ids.insert(ids.end(), some.begin(), some.end());
  };
  size_t begin = 0;
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const size_t end = text.find('>', at);
    if (end == std::string_view::npos) break;
    const auto mark = marks_.find(text.substr(at, end + 1 - at));
    if (mark == marks_.end()) continue;
    cut(text.substr(begin, at - begin));
    ids.push_back(mark->second);
    begin = end + 1;
    at = end;
  }
  cut(text.substr(begin));
  ids.push_back(end_);
  return ids;
}

std::vector<int64_t> T5Tokenizer::EncodePadded(std::string_view text, size_t length) const {
  return PaddedOrCut(Encode(text), length, end_, padding_);
}

}  // namespace mind::diffusion
