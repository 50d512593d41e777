#include "worker/diffusion/pipelines/floyd_text.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/t5_prompts.h"
#include "worker/diffusion/text/caption.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

constexpr char kFloydTokenizer[] = "tokenizer", kFloydEncoder[] = "text_encoder";
// Far more than 77 tokens have; the rules for captions take time by the square of it.
constexpr size_t kMostFloydCharacters = 1000;

bool CleansFloydCaptions(const ModelDirectory& directory) {
  const std::string file = directory.path() + "/mind.json";
  return !IsFile(file) || Config::FromFile(file).Bool("clean_caption", true);
}

}  // namespace

FloydText::FloydText(const ModelDirectory& directory, FileParameters::Options options)
    : device_(options.device),
      cleans_(CleansFloydCaptions(directory)),
      tokenizer_(T5Tokenizer::FromDirectory(directory.ComponentPath(kFloydTokenizer))) {
  encoder_ = LoadT5(directory, kFloydEncoder, options);
  const auto loaded = encoder_->Use();
  width_ = loaded->width();
  ExpectSameVocabulary(*tokenizer_, *loaded, directory.path());
}

std::string FloydText::Caption(const std::string& prompt) const {
  return cleans_ ? CleanCaption(prompt) : PlainCaption(prompt);
}

at::Tensor FloydText::Encode(const std::string& prompt, int64_t& cut) const {
  const Encoded encoded = prompts_.Get(prompt, [&] { return Read(prompt); });
  cut += encoded.cut;
  return encoded.states;
}

FloydText::Encoded FloydText::Read(const std::string& prompt) const {
  if (const size_t characters = DecodeUtf8(prompt).size(); characters > kMostFloydCharacters) {
    throw RequestError("this model's prompts have at most " + std::to_string(kMostFloydCharacters) +
                       " characters, given: " + std::to_string(characters));
  }
  const std::string caption = Caption(prompt);
  const size_t tokens = tokenizer_->Encode(caption).size(), seen = std::min(tokens, kLength);
  const std::vector<int64_t> ids = tokenizer_->EncodePadded(caption, kLength);
  at::Tensor mask = at::zeros({1, static_cast<int64_t>(kLength)}, at::kLong);
  mask.narrow(1, 0, static_cast<int64_t>(seen)).fill_(1);
  const at::Tensor states =
      encoder_->Use()
          ->Encode(at::tensor(ids, at::kLong).unsqueeze(0).to(device_), mask.to(device_))
          .squeeze(0);
  return {states, static_cast<int64_t>(tokens - seen)};
}

}  // namespace mind::diffusion
