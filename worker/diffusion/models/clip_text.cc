#include "worker/diffusion/models/clip_text.h"

#include <algorithm>
#include <limits>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

// transformers' class of towers with a projection, and the width of that unless said otherwise.
constexpr char kProjecting[] = "CLIPTextModelWithProjection";
constexpr int64_t kProjectionWidth = 512;

}  // namespace

ClipTextConfig ClipTextConfig::From(const Config& config) {
  ClipTextConfig c;
  const std::string kind = config.String("model_type", "clip_text_model");
  if (kind != "clip_text_model") config.Unsupported("model_type", "clip_text_model");
  c.vocabulary = config.Int("vocab_size", c.vocabulary);
  c.width = config.RequiredInt("hidden_size");
  c.feed_forward = config.RequiredInt("intermediate_size");
  c.layers = config.RequiredInt("num_hidden_layers");
  c.heads = config.RequiredInt("num_attention_heads");
  c.positions = config.Int("max_position_embeddings", c.positions);
  c.epsilon = config.Double("layer_norm_eps", c.epsilon);
  c.end_token = config.Int("eos_token_id", c.end_token);
  c.activation = ReadActivation(config, "hidden_act", c.activation);
  if (c.heads < 1 || c.width < 1 || c.width % c.heads != 0) {
    config.Unsupported("num_attention_heads", "a divisor of hidden_size");
  }
  if (c.layers < 1) config.Unsupported("num_hidden_layers", "1 or more");
  if (!config.Unset("architectures")) {
    const std::vector<std::string> made_for = config.RequiredStrings("architectures");
    const bool projects = std::find(made_for.begin(), made_for.end(), kProjecting) != made_for.end();
    if (projects) c.projection = config.Int("projection_dim", kProjectionWidth);
  }
  if (c.projection < 0) config.Unsupported("projection_dim", "0 or more");
  return c;
}

ClipTextLayer::ClipTextLayer(const Scope& scope, const ClipTextConfig& config)
    : heads_(config.heads),
      activation_(config.activation),
      layer_norm1_(scope / "layer_norm1", config.width, config.epsilon),
      layer_norm2_(scope / "layer_norm2", config.width, config.epsilon),
      q_(scope / "self_attn.q_proj", config.width, config.width),
      k_(scope / "self_attn.k_proj", config.width, config.width),
      v_(scope / "self_attn.v_proj", config.width, config.width),
      out_(scope / "self_attn.out_proj", config.width, config.width),
      fc1_(scope / "mlp.fc1", config.width, config.feed_forward),
      fc2_(scope / "mlp.fc2", config.feed_forward, config.width) {}

at::Tensor ClipTextLayer::operator()(const at::Tensor& x, const at::Tensor& causal_mask) const {
  const at::Tensor normed = layer_norm1_(x);
  const at::Tensor h = x + out_(MultiHeadAttention(q_(normed), k_(normed), v_(normed), heads_, causal_mask));
  return h + fc2_(Activate(activation_, fc1_(layer_norm2_(h))));
}

ClipText::ClipText(const Scope& scope, const ClipTextConfig& config)
    : config_(config),
      token_embedding_(scope / "text_model.embeddings.token_embedding", config.vocabulary, config.width),
      position_embedding_(scope / "text_model.embeddings.position_embedding", config.positions, config.width),
      final_norm_(scope / "text_model.final_layer_norm", config.width, config.epsilon) {
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(scope / "text_model.encoder.layers" / static_cast<size_t>(i), config);
  }
  if (config.projection > 0)
    projection_.emplace(scope / "text_projection", config.width, config.projection, /*bias=*/false);
}

TextStates ClipText::States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const {
  const int64_t length = ids.size(1);
  if (length > config_.positions) {
    throw RequestError("a prompt of " + std::to_string(length) +
                       " tokens is longer than the text encoder's " + std::to_string(config_.positions));
  }
  TextStates states;
  states.layers.push_back(WithInserted(token_embedding_(ids), inserted) +
                          position_embedding_(at::arange(length, ids.options()).unsqueeze(0)));
  const at::Tensor causal_mask =
      at::full({length, length}, -std::numeric_limits<float>::infinity(), states.layers[0].options()).triu(1);
  for (const ClipTextLayer& layer : layers_)
    states.layers.push_back(layer(states.layers.back(), causal_mask));
  states.pooled = final_norm_(AtEnd(ids, states.layers.back()));
  if (projection_) states.pooled = (*projection_)(states.pooled);
  return states;
}

at::Tensor ClipText::AtEnd(const at::Tensor& ids, const at::Tensor& states) const {
  const at::Tensor end =
      config_.end_token == 2 ? ids.argmax(-1) : (ids == config_.end_token).to(at::kInt).argmax(-1);
  return states.index({at::arange(ids.size(0), ids.options()), end});
}

}  // namespace mind::diffusion
