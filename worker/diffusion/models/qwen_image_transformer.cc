#include "worker/diffusion/models/qwen_image_transformer.h"

#include <numeric>
#include <optional>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/latent_tokens.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kQwenImageTimeFeatures = 256, kQwenImageMlpFactor = 4, kMostQwenImageLayers = 1024;
constexpr int64_t kMostQwenImageWidth = 1 << 20;
constexpr double kQwenImageEpsilon = 1e-6;  // of every norm in it
constexpr double kQwenImageTheta = 10000;
// Timesteps are told in parts of the noise, and times so much to the sinusoids.
constexpr double kQwenImageTimeScale = 1000;

// Where the tokens of a text are: along all axes from the first place behind the middle of every picture.
at::Tensor PlacesOfText(const at::Tensor& pictures, int64_t count) {
  const at::Tensor first = pictures.slice(-1, 1).amax({-2, -1}, /*keepdim=*/true) + 1;
  const at::Tensor places = first + at::arange(count, pictures.options()).unsqueeze(1);
  return places.expand({pictures.size(0), count, pictures.size(2)});
}

}  // namespace

QwenImageConfig QwenImageConfig::From(const Config& config) {
  if (config.String("_class_name", "") != "QwenImageTransformer2DModel")
    config.Unsupported("_class_name", "QwenImageTransformer2DModel");
  const auto within = [&config](const char* key, int64_t fallback, int64_t most) {
    const int64_t value = config.Int(key, fallback);
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
    return value;
  };
  QwenImageConfig c;
  c.patch_size = within("patch_size", 2, 64);
  c.latent_channels = within("out_channels", 16, 1 << 16);
  c.layers = within("num_layers", 60, kMostQwenImageLayers);
  c.heads = within("num_attention_heads", 24, 1 << 10);
  c.head_width = within("attention_head_dim", 128, 1 << 12);
  c.text_width = within("joint_attention_dim", 3584, kMostQwenImageWidth);
  if (config.Int("in_channels", 64) != c.token_width())
    config.Unsupported("in_channels", std::to_string(c.token_width()) + ": out_channels of each of a patch");
  if (!config.Unset("axes_dims_rope")) c.axes = config.RequiredInts("axes_dims_rope");
  bool even = c.axes.size() == 3;
  for (const int64_t width : c.axes) even = even && width > 0 && width % 2 == 0;
  if (!even || std::accumulate(c.axes.begin(), c.axes.end(), int64_t{0}) != c.head_width)
    config.Unsupported("axes_dims_rope", "three even numbers that add up to attention_head_dim");
  c.clean_references = config.Bool("zero_cond_t", false);
  for (const char* key : {"guidance_embeds", "use_additional_t_cond", "use_layer3d_rope"}) {
    if (config.Bool(key, false)) config.Unsupported(key, "false");
  }
  return c;
}

QwenImageStream::QwenImageStream(const Scope& scope, const std::string& name,
                                 const AttentionStream::Names& attention, const QwenImageConfig& config)
    : modulation_(scope / (name + "_mod.1"), config.width(), config.width(), /*parts=*/6),
      attention_(scope / "attn", attention,
                 {.width = config.width(),
                  .heads = config.heads,
                  .head_width = config.head_width,
                  .epsilon = kQwenImageEpsilon}),
      in_(scope / (name + "_mlp.net.0.proj"), config.width(), kQwenImageMlpFactor * config.width()),
      out_(scope / (name + "_mlp.net.2"), kQwenImageMlpFactor * config.width(), config.width()) {}

Projected QwenImageStream::Project(const at::Tensor& x, const std::vector<at::Tensor>& told) const {
  return attention_(Modulated(LayerNormed(x, kQwenImageEpsilon), told[0], told[1]));
}

at::Tensor QwenImageStream::After(const at::Tensor& x, const at::Tensor& seen,
                                  const std::vector<at::Tensor>& told) const {
  const at::Tensor h = x + told[2] * attention_.Out(seen);
  const at::Tensor wide = in_(Modulated(LayerNormed(h, kQwenImageEpsilon), told[3], told[4]));
  return h + told[5] * out_(Activate(Activation::kGeluTanh, wide));
}

QwenImageBlock::QwenImageBlock(const Scope& scope, const QwenImageConfig& config)
    : image_(scope, "img", AttentionStream::Main(), config),
      text_(scope, "txt", AttentionStream::Added(), config) {}

void QwenImageBlock::operator()(at::Tensor& text, at::Tensor& image, const QwenImageTime& time, int64_t noisy,
                                const Rotation& rotation) const {
  const std::vector<at::Tensor> of_text = text_.Told(time.now);
  std::vector<at::Tensor> of_image = image_.Told(time.now);
  if (time.clean.defined()) {
    const std::vector<at::Tensor> of_references = image_.Told(time.clean);
    const int64_t clean = image.size(1) - noisy;
    for (size_t i = 0; i < of_image.size(); ++i)
      of_image[i] =
          at::cat({of_image[i].expand({-1, noisy, -1}), of_references[i].expand({-1, clean, -1})}, 1);
  }
  const int64_t words = text.size(1);
  const at::Tensor seen =
      Seen(Joined({text_.Project(text, of_text), image_.Project(image, of_image)}), rotation);
  text = text_.After(text, seen.slice(1, 0, words), of_text);
  image = image_.After(image, seen.slice(1, words), of_image);
}

QwenImageTransformer::QwenImageTransformer(const Scope& scope, const QwenImageConfig& config)
    : config_(config),
      rotary_(Rotary::OfAxes(config.axes, kQwenImageTheta)),
      image_in_(scope / "img_in", config.token_width(), config.width()),
      text_norm_(scope / "txt_norm", config.text_width, kQwenImageEpsilon),
      text_in_(scope / "txt_in", config.text_width, config.width()),
      time_(scope / "time_text_embed.timestep_embedder", kQwenImageTimeFeatures, config.width()),
      modulation_out_(scope / "norm_out.linear", config.width(), config.width(), /*parts=*/2),
      out_(scope / "proj_out", config.width(), config.token_width()) {
  for (int64_t i = 0; i < config.layers; ++i)
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), config);
}

at::Tensor QwenImageTransformer::TimeOf(const at::Tensor& timestep) const {
  return time_(SinusoidalEmbedding(timestep / kQwenImageTimeScale, kQwenImageTimeFeatures,
                                   {.flip_sin_to_cos = true, .freq_shift = 0, .scale = kQwenImageTimeScale}));
}

at::Tensor QwenImageTransformer::operator()(const DenoiserInput& input) const {
  const at::Tensor& sample = input.sample;
  const int64_t p = config_.patch_size, batch = sample.size(0);
  const int64_t rows = sample.size(2) / p, columns = sample.size(3) / p, noisy = rows * columns;
  const at::Tensor& references = input.told[Condition::kReference];
  at::Tensor tokens = TokensOf(sample, p, TokenOrder::kByChannel);
  at::Tensor places =
      QwenImagePlaces(0, rows, columns, sample.device()).unsqueeze(0).expand({batch, noisy, -1});
  QwenImageTime time{.now = TimeOf(input.timestep), .clean = {}};
  if (references.defined()) {
    tokens = at::cat({tokens, references}, 1);
    places = at::cat({places, input.told[Condition::kReferencePlaces].to(places.scalar_type())}, 1);
    if (config_.clean_references) time.clean = TimeOf(at::zeros_like(input.timestep));
  }
  // What passes from block to block is float32, whatever they compute in.
  at::Tensor image = image_in_(tokens).to(at::kFloat);
  at::Tensor text = text_in_(text_norm_(input.told[Condition::kText])).to(at::kFloat);
  const Rotation rotation = rotary_.At(at::cat({PlacesOfText(places, text.size(1)), places}, 1));
  for (const QwenImageBlock& block : blocks_) block(text, image, time, noisy, rotation);
  const std::vector<at::Tensor> scale_shift = modulation_out_(time.now);
  const at::Tensor made = out_(
      Modulated(LayerNormed(image.slice(1, 0, noisy), kQwenImageEpsilon), scale_shift[1], scale_shift[0]));
  return LatentsOfTokens(made, rows, columns, p, TokenOrder::kByChannel).to(at::kFloat);
}

at::Tensor QwenImagePlaces(int64_t number, int64_t rows, int64_t columns, at::Device device) {
  return GridPositions({number, rows / 2 - rows, columns / 2 - columns}, rows, columns, device);
}

}  // namespace mind::diffusion
