#include "worker/diffusion/models/t5_text.h"

#include <cmath>
#include <limits>

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

// Added to the logits of a token that is not to be seen.
constexpr double kT5Hidden = std::numeric_limits<float>::lowest();

// Files may hold the embeddings under the name that encoder and decoder share, the encoder's own, or both.
Scope T5TokensOf(const Scope& scope) {
  const Scope own = scope / "encoder.embed_tokens", shared = scope / "shared";
  return own.Has("weight") && !shared.Has("weight") ? own : shared;
}

// Whichever of the two names the embeddings were not taken by.
void TakeT5Twin(const Scope& scope, const T5TextConfig& config) {
  const Scope own = scope / "encoder.embed_tokens";
  if (own.Has("weight") && (scope / "shared").Has("weight"))
    own.Take("weight", {config.vocabulary, config.width});
}

}  // namespace

T5TextConfig T5TextConfig::From(const Config& config) {
  T5TextConfig c;
  if (config.String("model_type", "t5") != "t5") config.Unsupported("model_type", "t5");
  c.vocabulary = config.Int("vocab_size", c.vocabulary);
  c.width = config.RequiredInt("d_model");
  c.head_width = config.RequiredInt("d_kv");
  c.feed_forward = config.RequiredInt("d_ff");
  c.layers = config.RequiredInt("num_layers");
  c.heads = config.RequiredInt("num_heads");
  c.buckets = config.Int("relative_attention_num_buckets", c.buckets);
  c.most_distance = config.Int("relative_attention_max_distance", c.most_distance);
  c.epsilon = config.Double("layer_norm_epsilon", c.epsilon);
  if (config.String("feed_forward_proj", "gated-gelu") != "gated-gelu")
    config.Unsupported("feed_forward_proj", "gated-gelu");
  constexpr int64_t kMost = 1 << 20;
  const auto within = [&](const char* key, int64_t value, int64_t most) {
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
  };
  within("vocab_size", c.vocabulary, 16 * kMost);
  within("d_model", c.width, kMost);
  within("d_kv", c.head_width, kMost);
  within("d_ff", c.feed_forward, kMost);
  within("num_layers", c.layers, 1024);
  within("num_heads", c.heads, 1024);
  if (c.buckets < 4 || c.buckets > kMost || c.buckets % 4 != 0)
    config.Unsupported("relative_attention_num_buckets", "a multiple of 4");
  if (c.most_distance <= c.buckets / 4 || c.most_distance > kMost)
    config.Unsupported("relative_attention_max_distance", "more than a quarter of the buckets");
  return c;
}

T5TextLayer::T5TextLayer(const Scope& scope, const T5TextConfig& c)
    : heads_(c.heads),
      unscaled_(std::sqrt(static_cast<double>(c.head_width))),
      attention_norm_(scope / "layer.0.layer_norm", c.width, c.epsilon),
      q_(scope / "layer.0.SelfAttention.q", c.width, c.heads * c.head_width, /*bias=*/false),
      k_(scope / "layer.0.SelfAttention.k", c.width, c.heads * c.head_width, /*bias=*/false),
      v_(scope / "layer.0.SelfAttention.v", c.width, c.heads * c.head_width, /*bias=*/false),
      o_(scope / "layer.0.SelfAttention.o", c.heads * c.head_width, c.width, /*bias=*/false),
      feed_forward_norm_(scope / "layer.1.layer_norm", c.width, c.epsilon),
      feed_forward_(scope / "layer.1.DenseReluDense", c.width, c.feed_forward,
                    {.gate = "wi_0", .in = "wi_1", .out = "wo"}, Activation::kGeluTanh) {}

at::Tensor T5TextLayer::operator()(const at::Tensor& x, const at::Tensor& bias) const {
  const at::Tensor normed = attention_norm_(x);
  const at::Tensor seen = MultiHeadAttention(q_(normed) * unscaled_, k_(normed), v_(normed), heads_, bias);
  const at::Tensor h = x + o_(seen).to(at::kFloat);
  return h + feed_forward_(feed_forward_norm_(h));
}

T5Text::T5Text(const Scope& scope, const T5TextConfig& config)
    : config_(config),
      tokens_(T5TokensOf(scope), config.vocabulary, config.width),
      distances_(scope / "encoder.block.0.layer.0.SelfAttention.relative_attention_bias", config.buckets,
                 config.heads),
      final_norm_(scope / "encoder.final_layer_norm", config.width, config.epsilon) {
  TakeT5Twin(scope, config);
  for (int64_t i = 0; i < config.layers; ++i)
    layers_.emplace_back(scope / "encoder.block" / static_cast<size_t>(i), config);
}

int64_t T5Text::positions() const {
  return std::numeric_limits<int64_t>::max();
}

at::Tensor T5Text::PositionBias(int64_t length, at::Device device) const {
  const at::Tensor places = at::arange(length, at::TensorOptions().dtype(at::kLong).device(device));
  const at::Tensor buckets =
      T5Buckets(places.unsqueeze(0) - places.unsqueeze(1), config_.buckets, config_.most_distance);
  return distances_(buckets).to(at::kFloat).permute({2, 0, 1}).unsqueeze(0);
}

std::vector<at::Tensor> T5Text::Hidden(at::Tensor x, const at::Tensor& bias) const {
  std::vector<at::Tensor> hidden = {std::move(x)};
  for (const T5TextLayer& layer : layers_) hidden.push_back(layer(hidden.back(), bias));
  return hidden;
}

TextStates T5Text::States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const {
  const at::Tensor x = WithInserted(tokens_(ids).to(at::kFloat), inserted);
  return {.layers = Hidden(x, PositionBias(ids.size(1), ids.device())), .pooled = {}};
}

at::Tensor T5Text::Encode(const at::Tensor& ids, const at::Tensor& mask) const {
  const at::Tensor hidden = (1 - mask.to(at::kFloat)) * kT5Hidden;
  const at::Tensor bias = PositionBias(ids.size(1), ids.device()) + hidden.unsqueeze(1).unsqueeze(1);
  return Norm(Hidden(tokens_(ids).to(at::kFloat), bias).back());
}

at::Tensor T5Buckets(const at::Tensor& distances, int64_t buckets, int64_t most_distance) {
  const int64_t half = buckets / 2, exact = half / 2;
  const at::Tensor far = distances.abs();
  // In float32, by which the reference decides on which side of a border a distance lies.
  const double widths = std::log(static_cast<double>(most_distance) / static_cast<double>(exact));
  const at::Tensor wide =
      (at::log(far.to(at::kFloat) / static_cast<double>(exact)) / widths * static_cast<double>(half - exact))
          .clamp_min(0)
          .to(at::kLong) +
      exact;
  const at::Tensor bucket = at::where(far < exact, far, wide.clamp_max(half - 1));
  return bucket + (distances > 0).to(at::kLong) * half;
}

}  // namespace mind::diffusion
