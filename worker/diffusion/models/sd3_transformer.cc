#include "worker/diffusion/models/sd3_transformer.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/models/perturbation.h"
#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kSd3TimeFeatures = 256, kSd3MlpFactor = 4, kMostSd3Layers = 1024;
constexpr double kSd3Epsilon = 1e-6;  // of every norm
// shift, scale and gate of the attention, then of the feed-forward layer; then of the second attention.
constexpr int64_t kSd3Told = 6, kSd3DualTold = 9, kSd3LastTold = 2;

AttentionStream::Shape Sd3Attention(const Sd3Config& config, bool out) {
  return {.width = config.width(),
          .heads = config.heads,
          .head_width = config.head_width,
          .normed = config.normed,
          .epsilon = kSd3Epsilon,
          .out = out};
}

}  // namespace

Sd3Config Sd3Config::From(const Config& config) {
  if (config.String("_class_name", "") != "SD3Transformer2DModel")
    config.Unsupported("_class_name", "SD3Transformer2DModel");
  Sd3Config c;
  c.channels = config.Int("in_channels", c.channels);
  if (config.Int("out_channels", c.channels) != c.channels)
    config.Unsupported("out_channels", "as many as in_channels");
  c.sample_size = config.Int("sample_size", c.sample_size);
  c.patch_size = config.Int("patch_size", c.patch_size);
  c.heads = config.Int("num_attention_heads", c.heads);
  c.head_width = config.Int("attention_head_dim", c.head_width);
  c.layers = config.Int("num_layers", c.layers);
  c.text_width = config.Int("joint_attention_dim", c.text_width);
  c.pooled_width = config.Int("pooled_projection_dim", c.pooled_width);
  c.grid = config.Int("pos_embed_max_size", c.grid);
  if (c.channels < 1) config.Unsupported("in_channels", "1 or more");
  if (c.patch_size < 1 || c.sample_size < c.patch_size || c.sample_size % c.patch_size != 0)
    config.Unsupported("patch_size", "a divisor of sample_size");
  if (c.heads < 1 || c.head_width < 1)
    config.Unsupported("num_attention_heads", "heads of attention_head_dim numbers, both 1 or more");
  if (c.layers < 1 || c.layers > kMostSd3Layers) config.Unsupported("num_layers", "1 to 1024");
  if (config.Int("caption_projection_dim", c.width()) != c.width())
    config.Unsupported("caption_projection_dim", "num_attention_heads times attention_head_dim");
  if (c.text_width < 1 || c.pooled_width < 1)
    config.Unsupported("joint_attention_dim", "and pooled_projection_dim 1 or more");
  if (c.grid < c.sample_size / c.patch_size)
    config.Unsupported("pos_embed_max_size", "at least sample_size in patches");
  if (!config.Unset("dual_attention_layers")) {
    for (const int64_t layer : config.RequiredInts("dual_attention_layers")) {
      if (layer < 0 || layer >= c.layers) config.Unsupported("dual_attention_layers", "numbers of layers");
      c.dual.insert(layer);
    }
  }
  if (!config.Unset("qk_norm")) {
    if (config.String("qk_norm", "") != "rms_norm") config.Unsupported("qk_norm", "null, rms_norm");
    c.normed = true;
  }
  return c;
}

Sd3Stream::Sd3Stream(const Scope& modulation, const Scope& feed_forward, int64_t width, int64_t parts)
    : modulation_(modulation / "linear", width, width, parts) {
  if (parts == kSd3LastTold) return;
  in_.emplace(feed_forward / "net.0.proj", width, kSd3MlpFactor * width);
  out_.emplace(feed_forward / "net.2", kSd3MlpFactor * width, width);
}

at::Tensor Sd3Stream::FeedForward(const at::Tensor& x) const {
  return (*out_)(Activate(Activation::kGeluTanh, (*in_)(x)));
}

Sd3Block::Sd3Block(const Scope& scope, const Sd3Config& config, int64_t number)
    : last_(number + 1 == config.layers),
      image_(scope / "norm1", scope / "ff", config.width(),
             config.dual.contains(number) ? kSd3DualTold : kSd3Told),
      text_(scope / "norm1_context", scope / "ff_context", config.width(), last_ ? kSd3LastTold : kSd3Told),
      image_attention_(scope / "attn", AttentionStream::Main(), Sd3Attention(config, /*out=*/true)),
      text_attention_(scope / "attn", AttentionStream::Added(), Sd3Attention(config, /*out=*/!last_)) {
  if (config.dual.contains(number))
    dual_.emplace(scope / "attn2", AttentionStream::Main(), Sd3Attention(config, /*out=*/true));
}

void Sd3Block::operator()(at::Tensor& image, at::Tensor& text, const at::Tensor& told) const {
  const std::vector<at::Tensor> m = image_.Told(told), t = text_.Told(told);
  const at::Tensor normed = LayerNormed(image, kSd3Epsilon), normed_text = LayerNormed(text, kSd3Epsilon);
  const Projected pictures = image_attention_(Modulated(normed, m[0], m[1]));
  // Of the last block's prompt the scale comes first.
  const Projected words =
      text_attention_(last_ ? Modulated(normed_text, t[1], t[0]) : Modulated(normed_text, t[0], t[1]));
  const at::Tensor seen = Seen(Joined({pictures, words}), std::nullopt);
  const int64_t patches = image.size(1);

  at::Tensor x = image + m[2] * image_attention_.Out(seen.narrow(1, 0, patches));
  if (dual_) {
    const at::Tensor alone = Seen((*dual_)(Modulated(normed, m[6], m[7])), std::nullopt);
    x = x + m[8] * dual_->Out(alone);
  }
  image = x + m[5] * image_.FeedForward(Modulated(LayerNormed(x, kSd3Epsilon), m[3], m[4]));
  if (last_) return;
  const at::Tensor y = text + t[2] * text_attention_.Out(seen.narrow(1, patches, seen.size(1) - patches));
  text = y + t[5] * text_.FeedForward(Modulated(LayerNormed(y, kSd3Epsilon), t[3], t[4]));
}

Sd3Transformer::Sd3Transformer(const Scope& scope, const Sd3Config& config)
    : config_(config),
      patch_weight_(
          (scope / "pos_embed.proj")
              .Take("weight", {config.width(), config.channels, config.patch_size, config.patch_size})),
      patch_bias_((scope / "pos_embed.proj").Take("bias", {config.width()})),
      positions_((scope / "pos_embed")
                     .Take("pos_embed", {1, config.grid * config.grid, config.width()})
                     .view({config.grid, config.grid, config.width()})),
      text_in_(scope / "context_embedder", config.text_width, config.width()),
      time_(scope / "time_text_embed.timestep_embedder", kSd3TimeFeatures, config.width()),
      pooled_(scope / "time_text_embed.text_embedder", config.pooled_width, config.width()),
      modulation_out_(scope / "norm_out.linear", config.width(), config.width(), 2),
      out_(scope / "proj_out", config.width(), config.patch_size * config.patch_size * config.channels) {
  for (int64_t i = 0; i < config.layers; ++i)
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), config, i);
}

at::Tensor Sd3Transformer::Positions(int64_t rows, int64_t columns) const {
  if (rows > config_.grid || columns > config_.grid) {
    const auto size = [](int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
    throw RequestError("this model has positions for " + size(config_.grid, config_.grid) +
                       " patches, given: " + size(columns, rows));
  }
  const int64_t top = (config_.grid - rows) / 2, left = (config_.grid - columns) / 2;
  return positions_.narrow(0, top, rows)
      .narrow(1, left, columns)
      .reshape({1, rows * columns, config_.width()});
}

at::Tensor Sd3Transformer::operator()(const DenoiserInput& input) const {
  const at::Tensor& sample = input.sample;
  const int64_t p = config_.patch_size, rows = sample.size(2) / p, columns = sample.size(3) / p;
  at::Tensor image =
      ConvProduct(InTypeOf(patch_weight_, sample), patch_weight_, patch_bias_, p).flatten(2).transpose(1, 2) +
      Positions(rows, columns);
  at::Tensor text = text_in_(input.told[Condition::kText]);
  const at::Tensor waves =
      SinusoidalEmbedding(input.timestep, kSd3TimeFeatures, {.flip_sin_to_cos = true, .freq_shift = 0});
  const at::Tensor told = time_(waves) + pooled_(input.told[Condition::kPooled]);
  const Perturbation* const skips = input.told.perturbation().get();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (skips != nullptr && skips->Has(BlockName(static_cast<int64_t>(i)))) continue;
    blocks_[i](image, text, told);
  }
  const std::vector<at::Tensor> m = modulation_out_(told);  // scale, shift
  const at::Tensor tokens = out_(Modulated(LayerNormed(image, kSd3Epsilon), m[1], m[0]));
  return LatentsOfTokens(tokens, rows, columns, p, TokenOrder::kByLatent).to(at::kFloat);
}

}  // namespace mind::diffusion
