#include "worker/diffusion/models/bert_text.h"

#include <limits>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {

BertTextConfig BertTextConfig::From(const Config& config) {
  BertTextConfig c;
  c.vocabulary = config.Int("vocab_size", c.vocabulary);
  c.width = config.RequiredInt("hidden_size");
  c.feed_forward = config.RequiredInt("intermediate_size");
  c.layers = config.RequiredInt("num_hidden_layers");
  c.heads = config.RequiredInt("num_attention_heads");
  c.positions = config.Int("max_position_embeddings", c.positions);
  c.segments = config.Int("type_vocab_size", c.segments);
  c.epsilon = config.Double("layer_norm_eps", c.epsilon);
  if (config.String("hidden_act", "gelu") != "gelu") config.Unsupported("hidden_act", "gelu");
  if (config.String("position_embedding_type", "absolute") != "absolute") {
    config.Unsupported("position_embedding_type", "absolute");
  }
  if (c.heads < 1 || c.width < 1 || c.width % c.heads != 0) {
    config.Unsupported("num_attention_heads", "a divisor of hidden_size");
  }
  if (c.layers < 1) config.Unsupported("num_hidden_layers", "1 or more");
  return c;
}

BertTextLayer::BertTextLayer(const Scope& scope, const BertTextConfig& c)
    : heads_(c.heads),
      query_(scope / "attention.self.query", c.width, c.width),
      key_(scope / "attention.self.key", c.width, c.width),
      value_(scope / "attention.self.value", c.width, c.width),
      attention_out_(scope / "attention.output.dense", c.width, c.width),
      attention_norm_(scope / "attention.output.LayerNorm", c.width, c.epsilon),
      intermediate_(scope / "intermediate.dense", c.width, c.feed_forward),
      out_(scope / "output.dense", c.feed_forward, c.width),
      norm_(scope / "output.LayerNorm", c.width, c.epsilon) {}

at::Tensor BertTextLayer::operator()(const at::Tensor& x, const at::Tensor& mask) const {
  const at::Tensor h =
      attention_norm_(x + attention_out_(MultiHeadAttention(query_(x), key_(x), value_(x), heads_, mask)));
  return norm_(h + out_(at::gelu(intermediate_(h))));
}

BertText::BertText(const Scope& scope, const BertTextConfig& config)
    : config_(config),
      words_(scope / "embeddings.word_embeddings", config.vocabulary, config.width),
      position_(scope / "embeddings.position_embeddings", config.positions, config.width),
      segment_(scope / "embeddings.token_type_embeddings", config.segments, config.width),
      norm_(scope / "embeddings.LayerNorm", config.width, config.epsilon) {
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(scope / "encoder.layer" / static_cast<size_t>(i), config);
  }
  if (scope.Has("pooler.dense.weight")) pooler_.emplace(scope / "pooler.dense", config.width, config.width);
}

std::vector<at::Tensor> BertText::Hidden(const at::Tensor& ids, const at::Tensor& attention_mask,
                                         const std::vector<InsertedVectors>& inserted) const {
  const int64_t length = ids.size(1);
  if (length > config_.positions) {
    throw RequestError("a prompt of " + std::to_string(length) +
                       " tokens is longer than the text encoder's " + std::to_string(config_.positions));
  }
  const at::Tensor places = at::arange(length, ids.options()).unsqueeze(0);
  std::vector<at::Tensor> hidden = {
      norm_(WithInserted(words_(ids), inserted) + segment_(at::zeros_like(ids)) + position_(places))};
  at::Tensor mask;
  if (attention_mask.defined()) {
    // In float32, in which the product exists: of fewer bits it would be infinite, and nothing times it no
    // number.
    mask = (1 - attention_mask.to(at::kFloat)) * std::numeric_limits<float>::lowest();
    mask = mask.to(hidden[0].scalar_type()).unsqueeze(1).unsqueeze(1);  // [B, 1, 1, N]
  }
  for (const BertTextLayer& layer : layers_) hidden.push_back(layer(hidden.back(), mask));
  return hidden;
}

at::Tensor BertText::Pooled(const at::Tensor& last_hidden) const {
  return at::tanh((*pooler_)(last_hidden.select(1, 0)));
}

TextStates BertText::States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const {
  return {.layers = Hidden(ids, {}, inserted), .pooled = {}};
}

}  // namespace mind::diffusion
