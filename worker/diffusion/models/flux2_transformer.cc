#include "worker/diffusion/models/flux2_transformer.h"

#include <cmath>
#include <numeric>

#include "worker/diffusion/models/latent_tokens.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kFlux2Features = 256;
constexpr SinusoidOptions kFlux2Waves{.flip_sin_to_cos = true, .freq_shift = 0};
constexpr size_t kFlux2Axes = 4;

AttentionStream::Shape Flux2Stream(const Flux2Config& config) {
  return {.width = config.width(),
          .heads = config.heads,
          .head_width = config.head_width,
          .bias = false,
          .epsilon = config.epsilon,
          .out_bias = false};
}

}  // namespace

Flux2Config Flux2Config::From(const Config& config) {
  Flux2Config c;
  if (config.String("_class_name", "Flux2Transformer2DModel") != "Flux2Transformer2DModel")
    config.Unsupported("_class_name", "Flux2Transformer2DModel");
  if (config.Int("patch_size", 1) != 1) config.Unsupported("patch_size", "1");
  if (config.Int("timestep_guidance_channels", kFlux2Features) != kFlux2Features)
    config.Unsupported("timestep_guidance_channels", "256");
  c.channels = config.Int("in_channels", c.channels);
  if (config.Int("out_channels", c.channels) != c.channels)
    config.Unsupported("out_channels", "as in_channels");
  c.layers = config.Int("num_layers", c.layers);
  c.single_layers = config.Int("num_single_layers", c.single_layers);
  c.heads = config.Int("num_attention_heads", c.heads);
  c.head_width = config.Int("attention_head_dim", c.head_width);
  c.text_width = config.Int("joint_attention_dim", c.text_width);
  c.epsilon = config.Double("eps", c.epsilon);
  c.guided = config.Bool("guidance_embeds", c.guided);
  c.theta = config.Double("rope_theta", c.theta);
  if (!config.Unset("axes_dims_rope")) c.axes = config.RequiredInts("axes_dims_rope");
  const auto within = [&](const char* key, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      config.Unsupported(key, std::to_string(least) + " to " + std::to_string(most));
  };
  constexpr int64_t kMost = 1 << 16;
  within("in_channels", c.channels, 1, kMost);
  within("num_layers", c.layers, 0, 1024);
  within("num_single_layers", c.single_layers, 0, 1024);
  within("num_attention_heads", c.heads, 1, 1024);
  within("attention_head_dim", c.head_width, 2, 1024);
  within("joint_attention_dim", c.text_width, 1, kMost);
  if (!(c.theta > 0)) config.Unsupported("rope_theta", "a positive number");
  const double factor = config.Double("mlp_ratio", 3);
  if (!(factor > 0 && factor <= 64)) config.Unsupported("mlp_ratio", "more than 0, up to 64");
  c.inner = static_cast<int64_t>(static_cast<double>(c.width()) * factor);
  bool fits = c.axes.size() == kFlux2Axes;
  for (const int64_t axis : c.axes) fits = fits && axis > 0 && axis % 2 == 0 && axis <= c.head_width;
  if (!fits || std::accumulate(c.axes.begin(), c.axes.end(), int64_t{0}) != c.head_width)
    config.Unsupported("axes_dims_rope", "four even numbers that are attention_head_dim together");
  return c;
}

Flux2Mlp::Flux2Mlp(const Scope& scope, const Flux2Config& config)
    : in_(scope / "linear_in", config.width(), 2 * config.inner, /*bias=*/false),
      out_(scope / "linear_out", config.inner, config.width(), /*bias=*/false) {}

at::Tensor Flux2Mlp::Gated(const at::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return at::silu(halves[0]) * halves[1];
}

Flux2DoubleBlock::Flux2DoubleBlock(const Scope& scope, const Flux2Config& config)
    : epsilon_(config.epsilon),
      picture_(scope / "attn", AttentionStream::Main(), Flux2Stream(config)),
      text_(scope / "attn", AttentionStream::Added(), Flux2Stream(config)),
      picture_mlp_(scope / "ff", config),
      text_mlp_(scope / "ff_context", config) {}

at::Tensor Flux2DoubleBlock::Normed(const at::Tensor& x, const at::Tensor& shift,
                                    const at::Tensor& scale) const {
  return Modulated(LayerNormed(x, epsilon_), shift, scale);
}

void Flux2DoubleBlock::operator()(at::Tensor& picture, at::Tensor& text, const Flux2Modulated& of_picture,
                                  const Flux2Modulated& of_text, const Rotation& rotation) const {
  const at::Tensor seen = Seen(Joined({text_(Normed(text, of_text[0], of_text[1])),
                                       picture_(Normed(picture, of_picture[0], of_picture[1]))}),
                               rotation);
  const int64_t words = text.size(1);
  text = text + of_text[2] * text_.Out(seen.narrow(1, 0, words));
  picture = picture + of_picture[2] * picture_.Out(seen.narrow(1, words, picture.size(1)));
  text = text + of_text[5] * text_mlp_(Normed(text, of_text[3], of_text[4]));
  picture = picture + of_picture[5] * picture_mlp_(Normed(picture, of_picture[3], of_picture[4]));
}

Flux2SingleBlock::Flux2SingleBlock(const Scope& scope, const Flux2Config& config)
    : heads_(config.heads),
      head_width_(config.head_width),
      epsilon_(config.epsilon),
      in_(scope / "attn.to_qkv_mlp_proj", config.width(), 3 * config.width() + 2 * config.inner,
          /*bias=*/false),
      out_(scope / "attn.to_out", config.width() + config.inner, config.width(), /*bias=*/false),
      norm_q_(scope / "attn.norm_q", config.head_width, config.epsilon),
      norm_k_(scope / "attn.norm_k", config.head_width, config.epsilon) {}

at::Tensor Flux2SingleBlock::operator()(const at::Tensor& x, const Flux2Modulated& m,
                                        const Rotation& rotation) const {
  const at::Tensor all = in_(Modulated(LayerNormed(x, epsilon_), m[0], m[1]));
  const int64_t width = heads_ * head_width_;
  const auto heads = [&](int64_t number) {
    return all.narrow(-1, number * width, width).unflatten(-1, {heads_, head_width_});
  };
  const at::Tensor seen = Seen({norm_q_(heads(0)), norm_k_(heads(1)), heads(2)}, rotation);
  const at::Tensor gated = Flux2Mlp::Gated(all.narrow(-1, 3 * width, all.size(-1) - 3 * width));
  return x + m[2] * out_(at::cat({seen, gated}, -1));
}

Flux2Transformer::Flux2Transformer(const Scope& scope, const Flux2Config& config)
    : config_(config),
      rotary_(Rotary::OfAxes(config.axes, config.theta)),
      picture_in_(scope / "x_embedder", config.channels, config.width(), /*bias=*/false),
      text_in_(scope / "context_embedder", config.text_width, config.width(), /*bias=*/false),
      time_in_(scope / "time_guidance_embed.timestep_embedder", kFlux2Features, config.width(),
               Activation::kSilu, /*bias=*/false),
      of_picture_(scope / "double_stream_modulation_img.linear", config.width(), config.width(), 6,
                  /*bias=*/false),
      of_text_(scope / "double_stream_modulation_txt.linear", config.width(), config.width(), 6,
               /*bias=*/false),
      of_single_(scope / "single_stream_modulation.linear", config.width(), config.width(), 3,
                 /*bias=*/false),
      modulation_out_(scope / "norm_out.linear", config.width(), config.width(), 2, /*bias=*/false),
      out_(scope / "proj_out", config.width(), config.channels, /*bias=*/false) {
  if (config.guided)
    guidance_in_.emplace(scope / "time_guidance_embed.guidance_embedder", kFlux2Features, config.width(),
                         Activation::kSilu, /*bias=*/false);
  for (int64_t i = 0; i < config.layers; ++i)
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), config);
  for (int64_t i = 0; i < config.single_layers; ++i)
    single_blocks_.emplace_back(scope / "single_transformer_blocks" / static_cast<size_t>(i), config);
}

at::Tensor Flux2Transformer::Vector(const at::Tensor& timestep, const at::Tensor& guidance) const {
  const at::Tensor vector =
      time_in_(SinusoidalEmbedding(timestep, kFlux2Features, kFlux2Waves)).to(at::kFloat);
  return guidance_in_ ? vector + (*guidance_in_)(guidance) : vector;
}

at::Tensor Flux2Transformer::OfTokens(const at::Tensor& tokens, const at::Tensor& places,
                                      const at::Tensor& text, const at::Tensor& vector) const {
  const int64_t words = text.size(1), pictures = tokens.size(1);
  const at::Tensor line =
      LinePositions({0, 0, 0, 0}, {0, 0, 0, 1}, words, places.device()).to(places.scalar_type());
  const Rotation rotation =
      rotary_.At(at::cat({line.unsqueeze(0).expand({places.size(0), words, line.size(1)}), places}, 1));
  at::Tensor picture = picture_in_(tokens).to(at::kFloat), context = text_in_(text).to(at::kFloat);
  const Flux2Modulated of_picture = of_picture_(vector), of_text = of_text_(vector),
                       of_all = of_single_(vector);
  for (const Flux2DoubleBlock& block : blocks_) block(picture, context, of_picture, of_text, rotation);
  at::Tensor x = at::cat({context, picture}, 1);
  for (const Flux2SingleBlock& block : single_blocks_) x = block(x, of_all, rotation);
  const Flux2Modulated m = modulation_out_(vector);
  return out_(Modulated(LayerNormed(x.narrow(1, words, pictures), config_.epsilon), m[1], m[0]))
      .to(at::kFloat);
}

at::Tensor Flux2Transformer::operator()(const DenoiserInput& input) const {
  const at::Tensor& x = input.sample;
  const int64_t rows = x.size(2), columns = x.size(3), own = rows * columns;
  at::Tensor tokens = TokensOf(x, /*patch=*/1, TokenOrder::kByChannel);
  at::Tensor places = GridPositions({0, 0, 0, 0}, rows, columns, x.device())
                          .to(at::kFloat)
                          .unsqueeze(0)
                          .expand({x.size(0), own, static_cast<int64_t>(kFlux2Axes)});
  if (const at::Tensor& reference = input.told[Condition::kReference]; reference.defined()) {
    tokens = at::cat({tokens, reference}, 1);
    places = at::cat({places, input.told[Condition::kReferencePlaces]}, 1);
  }
  const at::Tensor vector = Vector(input.timestep, input.told[Condition::kGuidance]);
  const at::Tensor made = OfTokens(tokens, places, input.told[Condition::kText], vector);
  return LatentsOfTokens(made.narrow(1, 0, own), rows, columns, /*patch=*/1, TokenOrder::kByChannel);
}

}  // namespace mind::diffusion
