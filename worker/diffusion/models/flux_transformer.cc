#include "worker/diffusion/models/flux_transformer.h"

#include <numeric>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/latent_tokens.h"

namespace mind::diffusion {
namespace {

constexpr double kFluxEpsilon = 1e-6;  // of all norms
constexpr int64_t kFluxFactor = 4;     // by which the layers between are wider
constexpr int64_t kFluxFeatures = 256;
constexpr int64_t kFluxAxes = 3;

AttentionStream::Shape StreamOf(const FluxConfig& config, bool out) {
  return {.width = config.width(),
          .heads = config.heads,
          .head_width = config.head_width,
          .epsilon = kFluxEpsilon,
          .out = out};
}

// [B] → [B, kFluxFeatures], cosines before sines.
at::Tensor FluxWaves(const at::Tensor& x) {
  return SinusoidalEmbedding(x, kFluxFeatures, {.flip_sin_to_cos = true, .freq_shift = 0});
}

at::Tensor FluxNormed(const at::Tensor& x) {
  return LayerNormed(x, kFluxEpsilon);
}

}  // namespace

FluxConfig FluxConfig::From(const Config& config) {
  FluxConfig c;
  if (config.String("_class_name", "FluxTransformer2DModel") != "FluxTransformer2DModel")
    config.Unsupported("_class_name", "FluxTransformer2DModel");
  if (config.Int("patch_size", 1) != 1) config.Unsupported("patch_size", "1");
  c.in_channels = config.Int("in_channels", c.in_channels);
  c.out_channels = config.Int("out_channels", c.in_channels);
  c.layers = config.Int("num_layers", c.layers);
  c.single_layers = config.Int("num_single_layers", c.single_layers);
  c.heads = config.Int("num_attention_heads", c.heads);
  c.head_width = config.Int("attention_head_dim", c.head_width);
  c.text_width = config.Int("joint_attention_dim", c.text_width);
  c.pooled_width = config.Int("pooled_projection_dim", c.pooled_width);
  c.guided = config.Bool("guidance_embeds", false);
  if (!config.Unset("axes_dims_rope")) c.axes = config.RequiredInts("axes_dims_rope");
  const auto within = [&](const char* key, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      config.Unsupported(key, std::to_string(least) + " to " + std::to_string(most));
  };
  constexpr int64_t kMost = 1 << 16;
  within("num_layers", c.layers, 0, 1024);
  within("num_single_layers", c.single_layers, 0, 1024);
  within("num_attention_heads", c.heads, 1, 1024);
  within("attention_head_dim", c.head_width, 2, 1024);
  within("joint_attention_dim", c.text_width, 1, kMost);
  within("pooled_projection_dim", c.pooled_width, 1, kMost);
  constexpr int64_t kLatents = kPatch * kPatch;
  within("in_channels", c.in_channels, kLatents, kMost);
  if (c.out_channels < kLatents || c.out_channels > c.in_channels || c.out_channels % kLatents != 0)
    config.Unsupported("out_channels", "a multiple of 4, at most in_channels");
  if (c.in_channels % kLatents != 0) config.Unsupported("in_channels", "a multiple of 4");
  bool fits = c.axes.size() == kFluxAxes;
  for (const int64_t axis : c.axes) fits = fits && axis > 0 && axis % 2 == 0 && axis <= c.head_width;
  if (!fits || std::accumulate(c.axes.begin(), c.axes.end(), int64_t{0}) != c.head_width)
    config.Unsupported("axes_dims_rope", "three even numbers that are attention_head_dim together");
  return c;
}

at::Tensor FluxGuidance(double guidance) {
  // Trained in thousandths, as timesteps are.
  return FluxWaves(at::full({1}, guidance, at::kFloat) * 1000.0).squeeze(0);
}

FluxMlp::FluxMlp(const Scope& scope, int64_t width)
    : in_(scope / "net.0.proj", width, kFluxFactor * width),
      out_(scope / "net.2", kFluxFactor * width, width) {}

at::Tensor FluxMlp::operator()(const at::Tensor& x) const {
  return out_(Activate(Activation::kGeluTanh, in_(x)));
}

FluxDoubleBlock::Stream::Stream(const Scope& scope, const FluxConfig& config, bool main)
    : modulation(scope / (main ? "norm1.linear" : "norm1_context.linear"), config.width(), config.width(), 6),
      attention(scope / "attn", main ? AttentionStream::Main() : AttentionStream::Added(),
                StreamOf(config, /*out=*/true)),
      mlp(scope / (main ? "ff" : "ff_context"), config.width()) {}

FluxDoubleBlock::FluxDoubleBlock(const Scope& scope, const FluxConfig& config)
    : picture_(scope, config, /*main=*/true), text_(scope, config, /*main=*/false) {}

at::Tensor FluxDoubleBlock::Behind(const Stream& stream, const at::Tensor& x, const at::Tensor& seen,
                                   const std::vector<at::Tensor>& m) {
  const at::Tensor h = x + m[2] * stream.attention.Out(seen);
  return h + m[5] * stream.mlp(Modulated(FluxNormed(h), m[3], m[4]));
}

void FluxDoubleBlock::operator()(at::Tensor& picture, at::Tensor& text, const at::Tensor& told,
                                 const Rotation& rotation) const {
  const std::vector<at::Tensor> of_text = text_.modulation(told), of_picture = picture_.modulation(told);
  const at::Tensor seen =
      Seen(Joined({text_.attention(Modulated(FluxNormed(text), of_text[0], of_text[1])),
                   picture_.attention(Modulated(FluxNormed(picture), of_picture[0], of_picture[1]))}),
           rotation);
  const int64_t words = text.size(1);
  text = Behind(text_, text, seen.narrow(1, 0, words), of_text);
  picture = Behind(picture_, picture, seen.narrow(1, words, picture.size(1)), of_picture);
}

FluxSingleBlock::FluxSingleBlock(const Scope& scope, const FluxConfig& config)
    : modulation_(scope / "norm.linear", config.width(), config.width(), 3),
      attention_(scope / "attn", AttentionStream::Main(), StreamOf(config, /*out=*/false)),
      mlp_(scope / "proj_mlp", config.width(), kFluxFactor * config.width()),
      out_(scope / "proj_out", (1 + kFluxFactor) * config.width(), config.width()) {}

at::Tensor FluxSingleBlock::operator()(const at::Tensor& x, const at::Tensor& told,
                                       const Rotation& rotation) const {
  const std::vector<at::Tensor> m = modulation_(told);
  const at::Tensor tokens = Modulated(FluxNormed(x), m[0], m[1]);
  const at::Tensor seen = Seen(attention_(tokens), rotation);
  return x + m[2] * out_(at::cat({seen, Activate(Activation::kGeluTanh, mlp_(tokens))}, -1));
}

FluxTransformer::FluxTransformer(const Scope& scope, const FluxConfig& config)
    : config_(config),
      rotary_(Rotary::OfAxes(config.axes, /*theta=*/10000)),
      picture_in_(scope / "x_embedder", config.in_channels, config.width()),
      text_in_(scope / "context_embedder", config.text_width, config.width()),
      time_in_(scope / "time_text_embed.timestep_embedder", kFluxFeatures, config.width()),
      pooled_in_(scope / "time_text_embed.text_embedder", config.pooled_width, config.width()),
      modulation_out_(scope / "norm_out.linear", config.width(), config.width(), 2),
      out_(scope / "proj_out", config.width(), config.out_channels) {
  if (config.guided)
    guidance_in_.emplace(scope / "time_text_embed.guidance_embedder", kFluxFeatures, config.width());
  for (int64_t i = 0; i < config.layers; ++i)
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), config);
  for (int64_t i = 0; i < config.single_layers; ++i)
    single_blocks_.emplace_back(scope / "single_transformer_blocks" / static_cast<size_t>(i), config);
}

at::Tensor FluxTransformer::Vector(const at::Tensor& timestep, const at::Tensor& pooled,
                                   const at::Tensor& guidance) const {
  at::Tensor vector = time_in_(FluxWaves(timestep)).to(at::kFloat);
  if (guidance_in_) vector = vector + (*guidance_in_)(guidance);
  return vector + pooled_in_(pooled);
}

at::Tensor FluxTransformer::OfTokens(const at::Tensor& tokens, const at::Tensor& places,
                                     const at::Tensor& text, const at::Tensor& vector) const {
  std::vector<int64_t> origin = places.sizes().vec();
  const int64_t words = text.size(1), pictures = tokens.size(1);
  origin[origin.size() - 2] = words;
  const Rotation rotation = rotary_.At(at::cat({at::zeros(origin, places.options()), places}, -2));
  at::Tensor picture = picture_in_(tokens).to(at::kFloat), context = text_in_(text).to(at::kFloat);
  for (const FluxDoubleBlock& block : blocks_) block(picture, context, vector, rotation);
  at::Tensor x = at::cat({context, picture}, 1);
  for (const FluxSingleBlock& block : single_blocks_) x = block(x, vector, rotation);
  const std::vector<at::Tensor> m = modulation_out_(vector);
  return out_(Modulated(FluxNormed(x.narrow(1, words, pictures)), m[1], m[0])).to(at::kFloat);
}

at::Tensor FluxTransformer::operator()(const DenoiserInput& input) const {
  constexpr int64_t kPatch = FluxConfig::kPatch;
  const Told& told = input.told;
  const at::Tensor& beside = told[Condition::kChannels];
  const at::Tensor x = beside.defined() ? at::cat({input.sample, beside}, 1) : input.sample;
  const int64_t rows = x.size(2) / kPatch, columns = x.size(3) / kPatch, own = rows * columns;
  at::Tensor tokens = TokensOf(x, kPatch, TokenOrder::kByChannel);
  at::Tensor places = GridPositions({0, 0, 0}, rows, columns, x.device());
  if (const at::Tensor& reference = told[Condition::kReference]; reference.defined()) {
    tokens = at::cat({tokens, reference}, 1);
    // A row's own: references of as many tokens may be of other proportions.
    places = at::cat({places.to(at::kFloat).unsqueeze(0).expand({x.size(0), own, kFluxAxes}),
                      told[Condition::kReferencePlaces]},
                     1);
  }
  const at::Tensor vector = Vector(input.timestep, told[Condition::kPooled], told[Condition::kGuidance]);
  const at::Tensor made = OfTokens(tokens, places, told[Condition::kText], vector);
  return LatentsOfTokens(made.narrow(1, 0, own), rows, columns, kPatch, TokenOrder::kByChannel);
}

}  // namespace mind::diffusion
