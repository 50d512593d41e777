#include "worker/diffusion/models/prior_transformer.h"

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kPriorFactor = 4;
constexpr int64_t kMost = 1 << 16;

// What other priors of diffusers' have (Shap-E's); null and the value meant are one.
void RefuseOthers(const Config& config, const PriorTransformerConfig& c) {
  for (const char* key : {"embedding_proj_norm_type", "norm_in_type"}) {
    if (!config.Unset(key)) config.Unsupported(key, "null");
  }
  for (const char* key : {"embedding_proj_dim", "clip_embed_dim"}) {
    if (config.Int(key, c.embedding) != c.embedding) config.Unsupported(key, "null, as embedding_dim");
  }
  if (config.Int("time_embed_dim", c.width()) != c.width())
    config.Unsupported("time_embed_dim", "null, num_attention_heads times attention_head_dim");
  if (config.String("time_embed_act_fn", "silu") != "silu") config.Unsupported("time_embed_act_fn", "silu");
  if (config.Null("encoder_hid_proj_type") || config.String("encoder_hid_proj_type", "linear") != "linear")
    config.Unsupported("encoder_hid_proj_type", "linear");
}

}  // namespace

PriorTransformerConfig PriorTransformerConfig::From(const Config& config) {
  PriorTransformerConfig c;
  c.heads = config.Int("num_attention_heads", c.heads);
  c.head_width = config.Int("attention_head_dim", c.head_width);
  c.layers = config.Int("num_layers", c.layers);
  c.embedding = config.Int("embedding_dim", c.embedding);
  c.text_tokens = config.Int("num_embeddings", c.text_tokens);
  if (c.heads < 1 || c.heads > 1024) config.Unsupported("num_attention_heads", "1 to 1024");
  if (c.head_width < 2 || c.head_width > 1024) config.Unsupported("attention_head_dim", "2 to 1024");
  if (c.layers < 1 || c.layers > 1024) config.Unsupported("num_layers", "1 to 1024");
  if (c.embedding < 1 || c.embedding > kMost) config.Unsupported("embedding_dim", "1 to 65536");
  if (c.text_tokens < 1 || c.text_tokens > kMost) config.Unsupported("num_embeddings", "1 to 65536");
  const std::string last = config.Null("added_emb_type") ? "" : config.String("added_emb_type", "prd");
  if (!last.empty() && last != "prd") config.Unsupported("added_emb_type", "null, \"prd\"");
  c.read_token = !last.empty();
  const int64_t added = c.tokens() - c.text_tokens;
  if (config.Int("additional_embeddings", 4) != added)
    config.Unsupported("additional_embeddings", "4 with added_emb_type, 3 without");
  RefuseOthers(config, c);
  return c;
}

PriorLayer::PriorLayer(const Scope& scope, const PriorTransformerConfig& config)
    : heads_(config.heads),
      norm1_(scope / "norm1", config.width()),
      norm3_(scope / "norm3", config.width()),
      to_q_(scope / "attn1.to_q", config.width(), config.width()),
      to_k_(scope / "attn1.to_k", config.width(), config.width()),
      to_v_(scope / "attn1.to_v", config.width(), config.width()),
      to_out_(scope / "attn1.to_out.0", config.width(), config.width()),
      in_(scope / "ff.net.0.proj", config.width(), kPriorFactor * config.width()),
      out_(scope / "ff.net.2", kPriorFactor * config.width(), config.width()) {}

at::Tensor PriorLayer::operator()(const at::Tensor& x, const at::Tensor& mask) const {
  const at::Tensor normed = norm1_(x);
  const at::Tensor h =
      x + to_out_(MultiHeadAttention(to_q_(normed), to_k_(normed), to_v_(normed), heads_, mask));
  return h + out_(at::gelu(in_(norm3_(h))));
}

PriorTransformer::PriorTransformer(const Scope& scope, const PriorTransformerConfig& config)
    : config_(config),
      text_in_(scope / "encoder_hidden_states_proj", config.embedding, config.width()),
      pooled_in_(scope / "embedding_proj", config.embedding, config.width()),
      vector_in_(scope / "proj_in", config.embedding, config.width()),
      time_embedding_(scope / "time_embedding", config.width(), config.width()),
      positions_(scope.Take("positional_embedding", {1, config.tokens(), config.width()})),
      norm_out_(scope / "norm_out", config.width()),
      vector_out_(scope / "proj_to_clip_embeddings", config.width(), config.embedding),
      mean_(scope.Take("clip_mean", {1, config.embedding}).squeeze(0)),
      deviation_(scope.Take("clip_std", {1, config.embedding}).squeeze(0)) {
  if (config.read_token) read_token_ = scope.Take("prd_embedding", {1, 1, config.width()});
  for (int64_t i = 0; i < config.layers; ++i)
    layers_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), config);
}

// [B, 1, N, N]: a token sees those before it that are no padding; what was added to the prompt is none.
at::Tensor PriorTransformer::MaskOf(const at::Tensor& text_mask) const {
  const int64_t tokens = config_.tokens();
  const at::Tensor later = at::full({tokens, tokens}, kUnseen, text_mask.options()).triu(1);
  const at::Tensor padding = at::constant_pad_nd(text_mask, {0, tokens - config_.text_tokens});
  return padding.unsqueeze(1).unsqueeze(1) + later;
}

at::Tensor PriorTransformer::operator()(const DenoiserInput& input) const {
  const Told& told = input.told;
  const at::Tensor waves =
      SinusoidalEmbedding(input.timestep, config_.width(), {.flip_sin_to_cos = true, .freq_shift = 0});
  std::vector<at::Tensor> tokens = {
      text_in_(told[Condition::kText]), pooled_in_(told[Condition::kPooled]).unsqueeze(1),
      time_embedding_(waves).unsqueeze(1), vector_in_(input.sample).unsqueeze(1)};
  if (read_token_.defined()) tokens.push_back(read_token_.expand({input.sample.size(0), 1, -1}));
  at::Tensor h = at::cat(tokens, 1) + positions_;
  const at::Tensor& text_mask = told[Condition::kTextMask];
  const at::Tensor mask = text_mask.defined() ? MaskOf(text_mask) : at::Tensor();
  for (const PriorLayer& layer : layers_) h = layer(h, mask);
  return vector_out_(norm_out_(h).select(1, -1)).to(at::kFloat);
}

}  // namespace mind::diffusion
