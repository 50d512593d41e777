#include "worker/diffusion/pipelines/z_image_text.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/qwen_part.h"
#include "worker/diffusion/text/chat_prompt.h"

namespace mind::diffusion {
namespace {

constexpr char kZTokenizer[] = "tokenizer", kZEncoder[] = "text_encoder";

}  // namespace

int64_t ZImageText::TokensOf(const ModelDirectory& directory) {
  const Config settings = directory.Defaults();
  const int64_t tokens = settings.Int("max_sequence_length", kTokens);
  if (tokens < 1 || tokens > kMostTokens)
    settings.Unsupported("max_sequence_length", "1 to " + std::to_string(kMostTokens));
  return tokens;
}

ZImageText::ZImageText(const ModelDirectory& directory, FileParameters::Options options)
    : device_(options.device),
      tokens_(static_cast<size_t>(TokensOf(directory))),
      tokenizer_(QwenTokenizer::FromDirectory(directory.ComponentPath(kZTokenizer))) {
  QwenTextConfig config = QwenTextConfig::From(directory.ComponentConfig(kZEncoder));
  --config.layers;
  encoder_ = LoadQwen(directory, kZEncoder, config, options);
  ExpectSameVocabulary(*tokenizer_, *encoder_->Use(), directory.path());
}

at::Tensor ZImageText::Encode(const std::string& prompt, int64_t& cut) const {
  const Encoded encoded = prompts_.Get(prompt, [&] { return Read(prompt); });
  cut += encoded.cut;
  return encoded.states;
}

std::vector<int64_t> ZImageText::Ids(const std::string& prompt) const {
  std::vector<int64_t> ids = tokenizer_->Encode(ChatTurn(prompt));
  ids.resize(std::min(ids.size(), tokens_));
  return ids;
}

ZImageText::Encoded ZImageText::Read(const std::string& prompt) const {
  const size_t said = tokenizer_->Encode(ChatTurn(prompt)).size();
  const std::vector<int64_t> ids = Ids(prompt);
  const TextStates states = encoder_->Use()->States(at::tensor(ids, at::kLong).unsqueeze(0).to(device_), {});
  return {states.layers.back().squeeze(0), static_cast<int64_t>(said - ids.size())};
}

}  // namespace mind::diffusion
