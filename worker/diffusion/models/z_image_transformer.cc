#include "worker/diffusion/models/z_image_transformer.h"

#include <algorithm>
#include <numeric>

#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/models/timestep_embedding.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kZPadding = 32;         // each stream has a multiple of so many tokens
constexpr int64_t kZMostTimeWidth = 256;  // of narrower networks as wide as their tokens
constexpr int64_t kZFrequencies = 256;    // of the noise level's sinusoids
constexpr int64_t kZTimeInner = 1024;
constexpr double kZHeadEpsilon = 1e-5;  // of the norm of queries and keys, whatever norm_eps says
constexpr double kZOutEpsilon = 1e-6;
// What diffusers calls the parts that hang on the patch: of 2×2 latents and one picture.
constexpr char kZPictureIn[] = "all_x_embedder.2-1", kZOut[] = "all_final_layer.2-1";
constexpr int64_t kZPatch = 2;

AttentionStream::Shape ZHeadsOf(const ZImageTransformerConfig& c) {
  return {.width = c.width,
          .heads = c.heads,
          .head_width = c.width / c.heads,
          .bias = false,
          .normed = true,
          .epsilon = kZHeadEpsilon,
          .out = true,
          .out_bias = false};
}

// Tokens [B, N, width], with the network's own padding behind them.
at::Tensor ZPadded(const at::Tensor& x, const at::Tensor& pad) {
  const int64_t missing = (kZPadding - x.size(1) % kZPadding) % kZPadding;
  if (missing == 0) return x;
  return at::cat({x, pad.to(x.scalar_type()).expand({x.size(0), missing, x.size(2)})}, 1);
}

std::vector<ZImageLayer> ZLayersOf(const Scope& scope, const ZImageTransformerConfig& config, int64_t count,
                                   bool told) {
  std::vector<ZImageLayer> layers;
  for (int64_t i = 0; i < count; ++i) layers.emplace_back(scope / static_cast<size_t>(i), config, told);
  return layers;
}

}  // namespace

int64_t ZImageTransformerConfig::time_width() const {
  return std::min(width, kZMostTimeWidth);
}

int64_t ZImageTransformerConfig::feed_forward() const {
  return static_cast<int64_t>(static_cast<double>(width) / 3 * 8);
}

ZImageTransformerConfig ZImageTransformerConfig::From(const Config& config) {
  if (config.String("_class_name", "ZImageTransformer2DModel") != "ZImageTransformer2DModel")
    config.Unsupported("_class_name", "ZImageTransformer2DModel");
  ZImageTransformerConfig c;
  const auto only = [&](const char* key, int64_t value) {
    if (!config.Unset(key) && config.RequiredInts(key) != std::vector<int64_t>{value})
      config.Unsupported(key, "[" + std::to_string(value) + "]");
  };
  only("all_patch_size", kZPatch);
  only("all_f_patch_size", 1);
  c.patch = kZPatch;
  c.in_channels = config.Int("in_channels", 16);
  c.width = config.Int("dim", 3840);
  c.text_width = config.Int("cap_feat_dim", 2560);
  c.heads = config.Int("n_heads", 30);
  c.layers = config.Int("n_layers", 30);
  c.refiners = config.Int("n_refiner_layers", 2);
  c.epsilon = config.Double("norm_eps", c.epsilon);
  c.time_scale = config.Double("t_scale", c.time_scale);
  c.theta = config.Double("rope_theta", c.theta);
  c.axes = config.Unset("axes_dims") ? std::vector<int64_t>{32, 48, 48} : config.RequiredInts("axes_dims");
  const auto within = [&](const char* key, int64_t value, int64_t most) {
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
  };
  within("in_channels", c.in_channels, 1 << 16);
  within("dim", c.width, 1 << 20);
  within("cap_feat_dim", c.text_width, 1 << 20);
  within("n_heads", c.heads, 1024);
  within("n_layers", c.layers, 1024);
  within("n_refiner_layers", c.refiners, 1024);
  if (c.width % c.heads != 0) config.Unsupported("n_heads", "a divisor of dim");
  if (config.Int("n_kv_heads", c.heads) != c.heads) config.Unsupported("n_kv_heads", "as n_heads");
  if (!config.Bool("qk_norm", true)) config.Unsupported("qk_norm", "true");
  if (!config.Unset("siglip_feat_dim")) config.Unsupported("siglip_feat_dim", "null");
  if (!(c.theta > 0)) config.Unsupported("rope_theta", "a positive number");
  const bool even = std::all_of(c.axes.begin(), c.axes.end(),
                                [](int64_t axis) { return axis > 0 && axis < (1 << 16) && axis % 2 == 0; });
  if (c.axes.size() != 3 || !even ||
      std::accumulate(c.axes.begin(), c.axes.end(), int64_t{0}) != c.width / c.heads)
    config.Unsupported("axes_dims", "three even numbers whose sum is the width of a head, " +
                                        std::to_string(c.width / c.heads));
  return c;
}

ZImageLayer::ZImageLayer(const Scope& scope, const ZImageTransformerConfig& c, bool told)
    : attention_before_(scope / "attention_norm1", c.width, c.epsilon),
      attention_after_(scope / "attention_norm2", c.width, c.epsilon),
      feed_forward_before_(scope / "ffn_norm1", c.width, c.epsilon),
      feed_forward_after_(scope / "ffn_norm2", c.width, c.epsilon),
      attention_(scope / "attention", AttentionStream::Main(), ZHeadsOf(c)),
      feed_forward_(scope / "feed_forward", c.width, c.feed_forward(),
                    {.gate = "w1", .in = "w3", .out = "w2"}, Activation::kSilu) {
  if (told) modulation_.emplace(scope / "adaLN_modulation.0", c.time_width(), 4 * c.width);
}

at::Tensor ZImageLayer::operator()(const at::Tensor& x, const Rotation& rotation,
                                   const at::Tensor& time) const {
  const auto seen = [&](const at::Tensor& normed) {
    return attention_after_(attention_.Out(Seen(attention_(normed), rotation)));
  };
  if (!modulation_) {
    const at::Tensor h = x + seen(attention_before_(x));
    return h + feed_forward_after_(feed_forward_(feed_forward_before_(h)));
  }
  // Of attention, then of the feed-forward layer: a scale and a gate.
  const std::vector<at::Tensor> told = (*modulation_)(time).to(at::kFloat).unsqueeze(1).chunk(4, -1);
  const at::Tensor h = x + at::tanh(told[1]) * seen(attention_before_(x) * (1 + told[0]));
  const at::Tensor normed = feed_forward_before_(h) * (1 + told[2]);
  return h + at::tanh(told[3]) * feed_forward_after_(feed_forward_(normed));
}

ZImageTransformer::ZImageTransformer(const Scope& scope, const ZImageTransformerConfig& c)
    : config_(c),
      rotary_(Rotary::OfAxes(c.axes, c.theta)),
      picture_in_(scope / kZPictureIn, c.patch * c.patch * c.in_channels, c.width),
      text_norm_(scope / "cap_embedder.0", c.text_width, c.epsilon),
      text_in_(scope / "cap_embedder.1", c.text_width, c.width),
      picture_pad_(scope.Take("x_pad_token", {1, c.width})),
      text_pad_(scope.Take("cap_pad_token", {1, c.width})),
      time_in_(scope / "t_embedder.mlp.0", kZFrequencies, kZTimeInner),
      time_out_(scope / "t_embedder.mlp.2", kZTimeInner, c.time_width()),
      picture_refiners_(ZLayersOf(scope / "noise_refiner", c, c.refiners, /*told=*/true)),
      text_refiners_(ZLayersOf(scope / "context_refiner", c, c.refiners, /*told=*/false)),
      layers_(ZLayersOf(scope / "layers", c, c.layers, /*told=*/true)),
      out_modulation_(scope / kZOut / "adaLN_modulation.1", c.time_width(), c.width, /*parts=*/1),
      out_(scope / kZOut / "linear", c.width, c.patch * c.patch * c.in_channels) {}

// The picture's corner is one place behind the prompt; its padding is at the origin.
ZImageTransformer::Tokens ZImageTransformer::Picture(const at::Tensor& sample, int64_t behind) const {
  const at::Tensor tokens = TokensOf(sample, config_.patch, TokenOrder::kByLatent);
  const at::Tensor x = ZPadded(picture_in_(tokens).to(at::kFloat), picture_pad_);
  const at::Tensor places = GridPositions({behind + 1, 0, 0}, sample.size(2) / config_.patch,
                                          sample.size(3) / config_.patch, sample.device());
  return {x, at::constant_pad_nd(places, {0, 0, 0, x.size(1) - places.size(0)})};
}

ZImageTransformer::Tokens ZImageTransformer::Prompt(const at::Tensor& text) const {
  const at::Tensor x = ZPadded(text_in_(text_norm_(text)).to(at::kFloat), text_pad_);
  return {x, LinePositions({1, 0, 0}, {1, 0, 0}, x.size(1), text.device())};
}

// Told how far the picture has come, not how much noise there is.
at::Tensor ZImageTransformer::Time(const at::Tensor& timestep) const {
  const at::Tensor come = (1000 - timestep) / 1000 * config_.time_scale;
  const at::Tensor sinusoids =
      SinusoidalEmbedding(come, kZFrequencies, {.flip_sin_to_cos = true, .freq_shift = 0});
  return time_out_(at::silu(time_in_(sinusoids)));
}

at::Tensor ZImageTransformer::operator()(const DenoiserInput& input) const {
  const at::Tensor time = Time(input.timestep);
  Tokens prompt = Prompt(input.told[Condition::kText]);
  Tokens picture = Picture(input.sample, prompt.x.size(1));
  const Rotation of_picture = rotary_.At(picture.places), of_prompt = rotary_.At(prompt.places);
  for (const ZImageLayer& layer : picture_refiners_) picture.x = layer(picture.x, of_picture, time);
  for (const ZImageLayer& layer : text_refiners_) prompt.x = layer(prompt.x, of_prompt, {});

  at::Tensor x = at::cat({picture.x, prompt.x}, 1);
  const Rotation of_all = rotary_.At(at::cat({picture.places, prompt.places}));
  for (const ZImageLayer& layer : layers_) x = layer(x, of_all, time);

  const int64_t rows = input.sample.size(2) / config_.patch, columns = input.sample.size(3) / config_.patch;
  const at::Tensor normed = LayerNormed(x.narrow(1, 0, rows * columns), kZOutEpsilon);
  const at::Tensor tokens = out_(normed * (1 + out_modulation_(time)[0])).to(at::kFloat);
  // It was trained to predict picture less noise.
  return -LatentsOfTokens(tokens, rows, columns, config_.patch, TokenOrder::kByLatent);
}

}  // namespace mind::diffusion
