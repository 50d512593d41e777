#include "worker/diffusion/models/qwen_text.h"

#include <limits>

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

// Added to the logits of a token that is not to be seen.
constexpr double kQwenHidden = std::numeric_limits<float>::lowest();

// [B, N, heads, d], each head as often as queries share it, and in a row.
at::Tensor ForQueries(const at::Tensor& keys, int64_t heads) {
  return keys.repeat_interleave(heads / keys.size(2), /*dim=*/2);
}

// float [B or 1, 1, N, N]: hides what comes after a token, and what the mask, if there is one, hides from
// all.
at::Tensor CausalBias(int64_t length, const at::Tensor& mask, at::Device device) {
  at::Tensor seen =
      at::ones({1, 1, length, length}, at::TensorOptions().dtype(at::kBool).device(device)).tril();
  if (mask.defined()) seen = seen.logical_and((mask != 0).unsqueeze(1).unsqueeze(1));
  return at::zeros(seen.sizes(), seen.options().dtype(at::kFloat))
      .masked_fill(seen.logical_not(), kQwenHidden);
}

Rotary RotaryOf(const QwenTextConfig& config) {
  return config.sections.empty() ? Rotary::OfAxes({config.head_width}, config.theta)
                                 : Rotary::OfSections(config.sections, config.theta);
}

}  // namespace

QwenTextLayer::QwenTextLayer(const Scope& scope, const QwenTextConfig& c)
    : heads_(c.heads),
      key_heads_(c.key_heads),
      head_width_(c.head_width),
      attention_norm_(scope / "input_layernorm", c.width, c.epsilon),
      feed_forward_norm_(scope / "post_attention_layernorm", c.width, c.epsilon),
      q_(scope / "self_attn.q_proj", c.width, c.heads * c.head_width, c.biased),
      k_(scope / "self_attn.k_proj", c.width, c.key_heads * c.head_width, c.biased),
      v_(scope / "self_attn.v_proj", c.width, c.key_heads * c.head_width, c.biased),
      o_(scope / "self_attn.o_proj", c.heads * c.head_width, c.width, /*bias=*/false),
      feed_forward_(scope / "mlp", c.width, c.feed_forward,
                    {.gate = "gate_proj", .in = "up_proj", .out = "down_proj"}, Activation::kSilu) {
  if (!c.normed_heads) return;
  q_norm_.emplace(scope / "self_attn.q_norm", c.head_width, c.epsilon);
  k_norm_.emplace(scope / "self_attn.k_norm", c.head_width, c.epsilon);
}

at::Tensor QwenTextLayer::Attention(const at::Tensor& x, const Rotation& rotation,
                                    const at::Tensor& bias) const {
  const at::Tensor values = v_(x).unflatten(-1, {key_heads_, head_width_});
  const auto turned = [&](const at::Tensor& projected, int64_t heads, const std::optional<RmsNorm>& norm) {
    const at::Tensor split = projected.unflatten(-1, {heads, head_width_});
    return Rotated(norm ? (*norm)(split) : split, rotation, RotaryPairs::kHalves).to(values.scalar_type());
  };
  const at::Tensor queries = turned(q_(x), heads_, q_norm_), keys = turned(k_(x), key_heads_, k_norm_);
  return o_(MultiHeadAttention(queries.flatten(2), ForQueries(keys, heads_).flatten(2),
                               ForQueries(values, heads_).flatten(2), heads_, bias));
}

at::Tensor QwenTextLayer::operator()(const at::Tensor& x, const Rotation& rotation,
                                     const at::Tensor& bias) const {
  const at::Tensor h = x + Attention(attention_norm_(x), rotation, bias).to(at::kFloat);
  return h + feed_forward_(feed_forward_norm_(h));
}

QwenText::QwenText(const Scope& scope, const QwenTextConfig& config)
    : config_(config),
      rotary_(RotaryOf(config)),
      tokens_(scope / "embed_tokens", config.vocabulary, config.width),
      final_norm_(scope / "norm", config.width, config.epsilon) {
  for (int64_t i = 0; i < config.layers; ++i)
    layers_.emplace_back(scope / "layers" / static_cast<size_t>(i), config);
}

int64_t QwenText::positions() const {
  return std::numeric_limits<int64_t>::max();
}

at::Tensor QwenText::PlacesOf(const at::Tensor& ids) const {
  const auto axes = static_cast<size_t>(rotary_.axes());
  return LinePositions(std::vector<int64_t>(axes, 0), std::vector<int64_t>(axes, 1), ids.size(1),
                       ids.device());
}

at::Tensor QwenText::Embed(const at::Tensor& ids) const {
  return tokens_(ids).to(at::kFloat);
}

std::vector<at::Tensor> QwenText::Through(at::Tensor x, const at::Tensor& positions,
                                          const at::Tensor& mask) const {
  const Rotation rotation = rotary_.At(positions);
  const at::Tensor bias = CausalBias(x.size(1), mask, x.device());
  std::vector<at::Tensor> states = {std::move(x)};
  for (const QwenTextLayer& layer : layers_) states.push_back(layer(states.back(), rotation, bias));
  return states;
}

TextStates QwenText::States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const {
  return {.layers = Through(WithInserted(Embed(ids), inserted), PlacesOf(ids), {}), .pooled = {}};
}

TextStates QwenText::PaddedStates(const at::Tensor& ids, const at::Tensor& mask) const {
  return {.layers = Through(Embed(ids), PlacesOf(ids), mask), .pooled = {}};
}

}  // namespace mind::diffusion
