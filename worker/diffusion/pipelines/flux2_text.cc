#include "worker/diffusion/pipelines/flux2_text.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/qwen_part.h"
#include "worker/diffusion/text/chat_prompt.h"

namespace mind::diffusion {
namespace {

constexpr char kFlux2Tokenizer[] = "tokenizer", kFlux2Encoder[] = "text_encoder";
constexpr int64_t kMostFlux2Tokens = 512;

QwenTextConfig EncoderOf(const ModelDirectory& directory) {
  const Config file = directory.ComponentConfig(kFlux2Encoder);
  const QwenTextConfig config = QwenTextConfig::From(file);
  if (!config.sections.empty()) file.Unsupported("model_type", "qwen3");
  return config;
}

}  // namespace

Flux2TextOptions Flux2TextOptions::From(const ModelDirectory& directory) {
  Flux2TextOptions options;
  const Config settings = directory.Defaults();
  options.tokens = settings.Int("max_sequence_length", options.tokens);
  if (options.tokens < 1 || options.tokens > kMostFlux2Tokens)
    settings.Unsupported("max_sequence_length", "1 to " + std::to_string(kMostFlux2Tokens));
  constexpr char kLayers[] = "text_encoder_out_layers";
  const int64_t most = EncoderOf(directory).layers;
  if (!settings.Unset(kLayers)) {
    options.layers = settings.RequiredInts(kLayers);
    const auto has = [most](int64_t layer) { return layer >= 1 && layer <= most; };
    if (options.layers.empty() || !std::all_of(options.layers.begin(), options.layers.end(), has))
      settings.Unsupported(kLayers, "layers of the text encoder, 1 to " + std::to_string(most));
  } else if (most < options.layers.back()) {
    directory.ComponentConfig(kFlux2Encoder).Unsupported("num_hidden_layers", "27 and more");
  }
  return options;
}

int64_t Flux2Text::WidthOf(const ModelDirectory& directory) {
  return static_cast<int64_t>(Flux2TextOptions::From(directory).layers.size()) * EncoderOf(directory).width;
}

Flux2Text::Flux2Text(const ModelDirectory& directory, FileParameters::Options options)
    : device_(options.device),
      options_(Flux2TextOptions::From(directory)),
      tokenizer_(QwenTokenizer::FromDirectory(directory.ComponentPath(kFlux2Tokenizer))) {
  QwenTextConfig config = EncoderOf(directory);
  normed_layer_ = config.layers;
  config.layers = *std::max_element(options_.layers.begin(), options_.layers.end());
  encoder_ = LoadQwen(directory, kFlux2Encoder, config, options);
  ExpectSameVocabulary(*tokenizer_, *encoder_->Use(), directory.path());
}

at::Tensor Flux2Text::Encode(const std::string& prompt, int64_t& cut) const {
  const Encoded encoded = prompts_.Get(prompt, [&] { return Read(prompt); });
  cut += encoded.cut;
  return encoded.states;
}

Flux2Text::Ids Flux2Text::IdsOf(const std::string& prompt) const {
  const std::string turn = ChatTurnWithoutThought(prompt);
  const auto all = static_cast<int64_t>(tokenizer_->Encode(turn).size());
  const int64_t said = std::min(all, options_.tokens);
  return {tokenizer_->EncodePadded(turn, static_cast<size_t>(options_.tokens)), said, all - said};
}

Flux2Text::Encoded Flux2Text::Read(const std::string& prompt) const {
  const Ids read = IdsOf(prompt);
  const at::Tensor ids = at::tensor(read.ids, at::kLong).unsqueeze(0).to(device_);
  const at::Tensor mask = (at::arange(options_.tokens, ids.options()) < read.said).to(at::kLong).unsqueeze(0);
  const auto encoder = encoder_->Use();
  const TextStates states = encoder->PaddedStates(ids, mask);
  std::vector<at::Tensor> told;
  for (const int64_t layer : options_.layers) {
    const at::Tensor& after = states.layers[static_cast<size_t>(layer)];
    told.push_back(layer == normed_layer_ ? encoder->Norm(after) : after);
  }
  return {at::cat(told, -1).squeeze(0), read.cut};
}

}  // namespace mind::diffusion
