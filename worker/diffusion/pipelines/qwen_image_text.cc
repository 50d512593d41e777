#include "worker/diffusion/pipelines/qwen_image_text.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/qwen_part.h"
#include "worker/diffusion/text/chat_prompt.h"

namespace mind::diffusion {
namespace {

constexpr char kQwenTokenizer[] = "tokenizer", kQwenEncoder[] = "text_encoder";

}  // namespace

void QwenImageText::ExpectWidth(const ModelDirectory& directory, int64_t width) {
  const Config config = directory.ComponentConfig(kQwenEncoder);
  if (QwenTextConfig::From(config).width != width)
    config.Unsupported("hidden_size", "the transformer's joint_attention_dim, " + std::to_string(width));
}

QwenImageText::QwenImageText(const ModelDirectory& directory, FileParameters::Options options)
    : device_(options.device),
      tokenizer_(QwenTokenizer::FromDirectory(directory.ComponentPath(kQwenTokenizer))) {
  const QwenTextConfig config = QwenTextConfig::From(directory.ComponentConfig(kQwenEncoder));
  encoder_ = LoadQwen(directory, kQwenEncoder, config, options);
  ExpectSameVocabulary(*tokenizer_, *encoder_->Use(), directory.path());
}

at::Tensor QwenImageText::Encode(const std::string& prompt, int64_t& cut) const {
  const Encoded encoded = prompts_.Get(prompt, [&] { return Read(prompt); });
  cut += encoded.cut;
  return encoded.states;
}

QwenImageText::Encoded QwenImageText::Read(const std::string& prompt) const {
  const InstructedTurn turn = DescribingTurn(prompt);
  std::vector<int64_t> ids = tokenizer_->Encode(turn.text);
  const auto most = static_cast<size_t>(turn.instruction_tokens + kMostTokens);
  const int64_t cut = ids.size() > most ? static_cast<int64_t>(ids.size() - most) : 0;
  ids.resize(std::min(ids.size(), most));
  const at::Tensor states =
      encoder_->Use()->Encode(at::tensor(ids, at::kLong).unsqueeze(0).to(device_)).squeeze(0);
  return {states.slice(0, turn.instruction_tokens), cut};
}

}  // namespace mind::diffusion
