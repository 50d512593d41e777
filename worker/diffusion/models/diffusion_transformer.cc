#include "worker/diffusion/models/diffusion_transformer.h"

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kTimeFeatures = 256;
constexpr double kTransformerEpsilon = 1e-6;  // of the norms whose epsilon no configuration names
constexpr int64_t kMlpFactor = 4;
constexpr int64_t kMaxLayers = 1024;

Scope BlockScope(const Scope& scope, int64_t block) {
  return scope / "transformer_blocks" / static_cast<size_t>(block);
}

}  // namespace

DiffusionTransformerConfig DiffusionTransformerConfig::From(const Config& config) {
  DiffusionTransformerConfig c;
  const std::string kind = config.String("_class_name", "");
  if (kind == "DiT") {
    c.in_channels = config.Int("in_channels", 4);
    c.out_channels = c.in_channels * (config.Bool("learn_sigma", true) ? 2 : 1);
    c.sample_size = config.Int("input_size", 32);
    c.width = config.Int("hidden_size", 1152);
    c.heads = config.Int("num_heads", 16);
    c.layers = config.Int("depth", 28);
    c.class_count = config.Int("num_classes", 1000);
    // Where diffusers differs from the original it was ported from.
    c.epsilon = kTransformerEpsilon;
    c.freq_shift = 0;
    if (config.Double("mlp_ratio", 4) != 4) config.Unsupported("mlp_ratio", "4");
  } else if (kind == "Transformer2DModel" || kind == "DiTTransformer2DModel") {
    if (config.String("norm_type", "ada_norm_zero") != "ada_norm_zero")
      config.Unsupported("norm_type", "ada_norm_zero");
    if (config.Bool("norm_elementwise_affine", false)) config.Unsupported("norm_elementwise_affine", "false");
    if (config.String("activation_fn", "gelu-approximate") != "gelu-approximate")
      config.Unsupported("activation_fn", "gelu-approximate");
    if (!config.Bool("attention_bias", true)) config.Unsupported("attention_bias", "true");
    c.in_channels = config.Int("in_channels", 4);
    c.out_channels = config.Int("out_channels", c.in_channels);
    c.sample_size = config.Int("sample_size", 32);
    c.heads = config.Int("num_attention_heads", 16);
    c.width = c.heads * config.Int("attention_head_dim", 72);
    c.layers = config.Int("num_layers", 28);
    c.class_count = config.Int("num_embeds_ada_norm", 1000);
    c.epsilon = config.Double("norm_eps", 1e-5);
  } else {
    config.Unsupported("_class_name", "Transformer2DModel, DiTTransformer2DModel, DiT");
  }
  c.patch_size = config.Int("patch_size", 2);
  const std::string heads = kind == "DiT" ? "num_heads" : "num_attention_heads";
  if (c.heads < 1 || c.width < 4 || c.width % c.heads != 0 || c.width % 4 != 0)
    config.Unsupported(heads, "a divisor of the width, which is a multiple of 4");
  if (c.patch_size < 1 || c.sample_size < c.patch_size || c.sample_size % c.patch_size != 0)
    config.Unsupported("patch_size", "a divisor of the sample size");
  if (c.layers < 1 || c.layers > kMaxLayers)
    config.Unsupported(kind == "DiT" ? "depth" : "num_layers", "1 to 1024");
  return c;
}

AdaptiveNormEmbedding::AdaptiveNormEmbedding(const Scope& scope, const DiffusionTransformerConfig& config)
    : freq_shift_(config.freq_shift),
      timestep_(scope / "timestep_embedder", kTimeFeatures, config.width),
      label_(scope / "class_embedder.embedding_table", config.class_count + 1, config.width) {}

at::Tensor AdaptiveNormEmbedding::operator()(const at::Tensor& timestep, const at::Tensor& label) const {
  const at::Tensor waves =
      SinusoidalEmbedding(timestep, kTimeFeatures, {.flip_sin_to_cos = true, .freq_shift = freq_shift_});
  return timestep_(waves) + label_(label);
}

DiffusionTransformerBlock::DiffusionTransformerBlock(const Scope& scope,
                                                     const DiffusionTransformerConfig& config)
    : heads_(config.heads),
      epsilon_(config.epsilon),
      modulation_(scope / "norm1.linear", config.width, config.width, 6),
      q_(scope / "attn1.to_q", config.width, config.width),
      k_(scope / "attn1.to_k", config.width, config.width),
      v_(scope / "attn1.to_v", config.width, config.width),
      out_(scope / "attn1.to_out.0", config.width, config.width),
      ff_in_(scope / "ff.net.0.proj", config.width, kMlpFactor * config.width),
      ff_out_(scope / "ff.net.2", kMlpFactor * config.width, config.width) {}

at::Tensor DiffusionTransformerBlock::operator()(const at::Tensor& x, const at::Tensor& told) const {
  const std::vector<at::Tensor> m = modulation_(told);  // shift, scale, gate; twice
  const at::Tensor tokens = Modulated(LayerNormed(x, kTransformerEpsilon), m[0], m[1]);
  const at::Tensor mixed = out_(MultiHeadAttention(q_(tokens), k_(tokens), v_(tokens), heads_));
  const at::Tensor h = x + m[2] * mixed;
  const at::Tensor wide = ff_in_(Modulated(LayerNormed(h, epsilon_), m[3], m[4]));
  return h + m[5] * ff_out_(Activate(Activation::kGeluTanh, wide));
}

DiffusionTransformer::DiffusionTransformer(const Scope& scope, const DiffusionTransformerConfig& config)
    : config_(config),
      patch_weight_(
          (scope / "pos_embed.proj")
              .Take("weight", {config.width, config.in_channels, config.patch_size, config.patch_size})),
      patch_bias_((scope / "pos_embed.proj").Take("bias", {config.width})),
      modulation_out_(scope / "proj_out_1", config.width, config.width, 2),
      out_(scope / "proj_out_2", config.width, config.patch_size * config.patch_size * config.out_channels) {
  const int64_t base = config.sample_size / config.patch_size;
  positions_ = GridEmbedding(base, base, config.width, base).to(patch_weight_.options());
  for (int64_t i = 0; i < config.layers; ++i) {
    const Scope block = BlockScope(scope, i);
    blocks_.emplace_back(block, config);
    const Scope embedding = block / "norm1.emb";
    if (i == 0 || embedding.Has("timestep_embedder.linear_1.weight"))
      embeddings_.emplace_back(embedding, config);
  }
}

at::Tensor DiffusionTransformer::operator()(const DenoiserInput& input) const {
  const at::Tensor& sample = input.sample;
  const int64_t p = config_.patch_size, rows = sample.size(2) / p, columns = sample.size(3) / p;
  at::Tensor x =
      ConvProduct(InTypeOf(patch_weight_, sample), patch_weight_, patch_bias_, p).flatten(2).transpose(1, 2);
  const int64_t base = config_.sample_size / p;
  const bool as_trained = rows == base && columns == base;
  x = x + (as_trained ? positions_ : GridEmbedding(rows, columns, config_.width, base).to(x.options()));
  at::Tensor first;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    at::Tensor told = first;
    if (i < embeddings_.size()) told = embeddings_[i](input.timestep, input.told[Condition::kLabel]);
    if (i == 0) first = told;
    x = blocks_[i](x, told);
  }
  const std::vector<at::Tensor> shift_scale = modulation_out_(first);
  x = out_(Modulated(LayerNormed(x, kTransformerEpsilon), shift_scale[0], shift_scale[1]));
  return LatentsOfTokens(x, rows, columns, p, TokenOrder::kByLatent).to(at::kFloat);
}

at::Tensor GridEmbedding(int64_t rows, int64_t columns, int64_t width, int64_t base) {
  const auto waves = [&](int64_t count) {
    const at::Tensor place =
        at::arange(count, at::kDouble) * (static_cast<double>(base) / static_cast<double>(count));
    const at::Tensor exponent = at::arange(width / 4, at::kDouble) / (static_cast<double>(width) / 4);
    const at::Tensor angle = at::outer(place, at::pow(10000.0, -exponent));
    return at::cat({at::sin(angle), at::cos(angle)}, 1);  // [count, width / 2]
  };
  const at::Tensor along = waves(columns).unsqueeze(0).expand({rows, columns, width / 2});
  const at::Tensor down = waves(rows).unsqueeze(1).expand({rows, columns, width / 2});
  return at::cat({along, down}, 2).reshape({rows * columns, width});
}

}  // namespace mind::diffusion
