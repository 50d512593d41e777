#include "worker/diffusion/pipelines/prompt_encoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Words by their weights, [N, width].
at::Tensor Weighted(const at::Tensor& states, const std::vector<double>& weights, Emphasis emphasis) {
  if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 1; })) return states;
  const at::Tensor weighted = states * at::tensor(weights, at::kFloat).to(states.device()).unsqueeze(1);
  return emphasis == Emphasis::kMeanKept ? weighted * (states.mean() / weighted.mean()) : weighted;
}

}  // namespace

PromptEncoder::PromptEncoder(const ModelDirectory& directory, Part part, FileParameters::Options options,
                             LayerWeights& layers)
    : part_(std::move(part)),
      device_(options.device),
      tokenizer_(directory.ComponentTokenizer(part_.tokenizer)) {
  FileParameters weights = directory.ComponentWeights(part_.encoder, options);
  encoder_ = MakeTextEncoder(Scope(weights), directory.ComponentConfig(part_.encoder));
  weights.ExpectAllTaken();
  AddLayersOf(part_.encoder, weights, layers);
  ExpectSameVocabulary(*tokenizer_, *encoder_, directory.path());
  if (tokenizer_->model_length() > static_cast<size_t>(encoder_->positions())) {
    throw ModelError(directory.path() + ": the tokenizer makes " +
                     std::to_string(tokenizer_->model_length()) + " tokens but the text encoder takes " +
                     std::to_string(encoder_->positions()));
  }
  words_ =
      std::make_unique<LearntWords>(directory.LearntWordFiles(), part_.vectors, encoder_->width(), options);
  chunker_ = std::make_unique<PromptChunker>(
      *tokenizer_, tokenizer_->model_length(), words_->words(),
      [words = words_.get()](const std::string& word) { return words->VectorsOf(word).size(0); });
}

TextStates PromptEncoder::StatesOf(const PromptChunk& chunk) const {
  std::vector<InsertedVectors> inserted;
  for (const PromptChunk::LearntWord& word : chunk.words)
    inserted.push_back({.row = 0, .place = word.place, .vectors = words_->VectorsOf(word.name)});
  return encoder_->States(at::tensor(chunk.ids, at::kLong).unsqueeze(0).to(device_), inserted);
}

EncodedPrompt PromptEncoder::Encode(const std::string& prompt, const Wish& wish) const {
  if (wish.clip_skip < 0 || wish.clip_skip > max_skip()) {
    throw RequestError("clip_skip must be 0 to " + std::to_string(max_skip()) +
                       ", given: " + std::to_string(wish.clip_skip));
  }
  const auto& [emphasis, most_chunks, comma_backtrack, padded] = wish.reading;
  nlohmann::json key = {emphasis, most_chunks, comma_backtrack, wish.clip_skip};
  for (const ScaledAdapter& lora : wish.adapters) key.push_back({lora.adapter->source(), lora.scale});
  const std::string text = key.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + prompt;
  return prompts_.Get(text, [&] { return Compute(prompt, wish); });
}

EncodedPrompt PromptEncoder::Compute(const std::string& prompt, const Wish& wish) const {
  const AdapterScope scope({wish.adapters});
  const PromptChunks chunks = Chunks(prompt, wish.reading);
  EncodedPrompt encoded;
  encoded.tokens_cut = chunks.tokens_cut;
  encoded.length = chunks.chunks.front().length;
  std::vector<at::Tensor> parts;
  for (const PromptChunk& chunk : chunks.chunks) {
    const TextStates states = StatesOf(chunk);
    const size_t last = states.layers.size() - 1 - static_cast<size_t>(part_.skipped + wish.clip_skip);
    const at::Tensor layer =
        (part_.normed ? encoder_->Norm(states.layers[last]) : states.layers[last]).to(at::kFloat);
    parts.push_back(Weighted(layer.squeeze(0), chunk.weights, wish.reading.emphasis));
    if (parts.size() == 1 && states.pooled.defined())
      encoded.pooled = states.pooled.squeeze(0).to(at::kFloat);
  }
  encoded.states = parts.size() == 1 ? parts.front() : at::cat(parts);
  return encoded;
}

at::Tensor PromptEncoder::Padded(const at::Tensor& states, int64_t length, const Wish& wish) const {
  if (states.size(0) >= length) return states;
  std::vector<at::Tensor> parts = {states};
  const at::Tensor nothing = Encode("", wish).states;
  for (int64_t long_now = states.size(0); long_now < length; long_now += nothing.size(0))
    parts.push_back(nothing);
  return at::cat(parts);
}

}  // namespace mind::diffusion
