#include "worker/diffusion/models/autoencoder_wan.h"

#include <cmath>

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kMostWanChannels = 1 << 16, kMostWanLevels = 16, kMostWanLayers = 64;
constexpr double kLeastPixelNorm = 1e-12;  // as torch's normalize has it

// Numbers of each channel of the latents.
std::vector<double> WanNumbers(const Config& config, const char* key, int64_t channels) {
  std::vector<double> numbers;
  if (!config.Unset(key)) {
    for (const auto& number : config.at(key)) {
      if (number.is_number()) numbers.push_back(number.get<double>());
    }
  }
  if (static_cast<int64_t>(numbers.size()) != channels)
    config.Unsupported(key, "a number for each of the z_dim channels");
  return numbers;
}

// [channels, 1, 1], for latents.
at::Tensor OfChannels(const std::vector<double>& numbers, const at::Tensor& latents) {
  return at::tensor(numbers, at::kFloat).to(latents.device()).view({-1, 1, 1});
}

}  // namespace

AutoencoderWanConfig AutoencoderWanConfig::From(const Config& config) {
  if (config.String("_class_name", "") != "AutoencoderKLQwenImage")
    config.Unsupported("_class_name", "AutoencoderKLQwenImage");
  const auto within = [&config](const char* key, int64_t fallback, int64_t most) {
    const int64_t value = config.Int(key, fallback);
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
    return value;
  };
  AutoencoderWanConfig c;
  c.in_channels = c.out_channels = within("input_channels", 3, kMostWanChannels);
  c.latent_channels = within("z_dim", 16, kMostWanChannels);
  c.layers_per_block = within("num_res_blocks", 2, kMostWanLayers);
  c.scaling_factor = 1;
  const int64_t base = within("base_dim", 96, kMostWanChannels);
  const std::vector<int64_t> factors =
      config.Unset("dim_mult") ? std::vector<int64_t>{1, 2, 4, 4} : config.RequiredInts("dim_mult");
  if (factors.empty() || static_cast<int64_t>(factors.size()) > kMostWanLevels)
    config.Unsupported("dim_mult", "1 to 16 levels");
  for (const int64_t factor : factors) {
    if (factor < 1 || factor > kMostWanChannels / base || base * factor % 2 != 0)
      config.Unsupported("dim_mult", "levels of 2 to 65536 channels, an even number");
    c.channels.push_back(base * factor);
  }
  if (!config.Unset("attn_scales") && !config.at("attn_scales").empty())
    config.Unsupported("attn_scales", "none: attention in the middle alone");
  c.latent_means = WanNumbers(config, "latents_mean", c.latent_channels);
  c.latent_deviations = WanNumbers(config, "latents_std", c.latent_channels);
  for (const double deviation : c.latent_deviations) {
    if (!(deviation > 0)) config.Unsupported("latents_std", "positive numbers");
  }
  return c;
}

PixelNorm::PixelNorm(const Scope& scope, int64_t channels)
    : gamma_(scope.Take("gamma", {channels}).view({channels, 1, 1})) {}

at::Tensor PixelNorm::operator()(const at::Tensor& x) const {
  const at::Tensor in = x.to(at::kFloat);
  const at::Tensor length = in.square().sum(1, /*keepdim=*/true).sqrt().clamp_min(kLeastPixelNorm);
  const double root = std::sqrt(static_cast<double>(x.size(1)));
  return (in / length * root * gamma_.to(at::kFloat)).to(gamma_.scalar_type());
}

WanResidual::WanResidual(const Scope& scope, int64_t in, int64_t out)
    : norm_1_(scope / "norm1", in),
      conv_1_(scope / "conv1", in, out),
      norm_2_(scope / "norm2", out),
      conv_2_(scope / "conv2", out, out) {
  if (in != out) shortcut_.emplace(scope / "conv_shortcut", in, out, k1x1);
}

at::Tensor WanResidual::operator()(const at::Tensor& x) const {
  const at::Tensor h = conv_1_(at::silu(norm_1_(x)));
  return conv_2_(at::silu(norm_2_(h))) + (shortcut_ ? (*shortcut_)(x) : x);
}

WanMiddle::WanMiddle(const Scope& scope, int64_t channels)
    : first_(scope / "resnets.0", channels, channels),
      norm_(scope / "attentions.0.norm", channels),
      to_qkv_(scope / "attentions.0.to_qkv", channels, 3 * channels, k1x1),
      out_(scope / "attentions.0.proj", channels, channels, k1x1),
      second_(scope / "resnets.1", channels, channels) {}

at::Tensor WanMiddle::operator()(const at::Tensor& x) const {
  const at::Tensor h = first_(x);
  const auto qkv = to_qkv_(norm_(h)).flatten(2).transpose(1, 2).chunk(3, 2);
  const at::Tensor mixed = MultiHeadAttention(qkv[0], qkv[1], qkv[2], /*heads=*/1);
  return second_(out_(mixed.transpose(1, 2).reshape(h.sizes())) + h);
}

AutoencoderWan::AutoencoderWan(const Scope& scope, const AutoencoderWanConfig& config)
    : config_(config),
      encoder_in_(scope / "encoder.conv_in", config.in_channels, config.channels.front()),
      encoder_middle_(scope / "encoder.mid_block", config.channels.back()),
      encoder_norm_(scope / "encoder.norm_out", config.channels.back()),
      encoder_out_(scope / "encoder.conv_out", config.channels.back(), 2 * config.latent_channels),
      quant_(scope / "quant_conv", 2 * config.latent_channels, 2 * config.latent_channels, k1x1),
      post_quant_(scope / "post_quant_conv", config.latent_channels, config.latent_channels, k1x1),
      decoder_in_(scope / "decoder.conv_in", config.latent_channels, config.channels.back()),
      decoder_middle_(scope / "decoder.mid_block", config.channels.back()),
      decoder_norm_(scope / "decoder.norm_out", config.channels.front()),
      decoder_out_(scope / "decoder.conv_out", config.channels.front(), config.out_channels) {
  const size_t levels = config.channels.size();
  size_t block = 0;  // the encoder counts its blocks through
  int64_t channels = config.channels.front();
  for (size_t i = 0; i < levels; ++i) {
    Level& level = down_.emplace_back();
    for (int64_t layer = 0; layer < config.layers_per_block; ++layer) {
      level.residuals.emplace_back(scope / "encoder.down_blocks" / block++, channels, config.channels[i]);
      channels = config.channels[i];
    }
    if (i + 1 == levels) break;
    level.resample.emplace(scope / "encoder.down_blocks" / block++ / "resample.1", channels, channels,
                           ConvShape{.kernel = 3, .stride = 2, .padding = 0});
  }
  for (size_t i = 0; i < levels; ++i) {
    Level& level = up_.emplace_back();
    const Scope up = scope / "decoder.up_blocks" / i;
    const int64_t out = config.channels[levels - 1 - i];
    for (int64_t layer = 0; layer <= config.layers_per_block; ++layer) {
      level.residuals.emplace_back(up / "resnets" / static_cast<size_t>(layer), channels, out);
      channels = out;
    }
    if (i + 1 == levels) break;
    level.resample.emplace(up / "upsamplers.0.resample.1", out, out / 2);
    channels = out / 2;
  }
}

at::Tensor AutoencoderWan::EncodeMoments(const at::Tensor& image) const {
  at::Tensor x = encoder_in_(image);
  for (const Level& level : down_) {
    for (const WanResidual& residual : level.residuals) x = residual(x);
    // A column on the right and a line below.
    if (level.resample) x = (*level.resample)(at::constant_pad_nd(x, {0, 1, 0, 1}));
  }
  x = encoder_out_(at::silu(encoder_norm_(encoder_middle_(x))));
  return quant_(x).to(at::kFloat);
}

at::Tensor AutoencoderWan::Decode(const at::Tensor& latents) const {
  at::Tensor x = decoder_middle_(decoder_in_(post_quant_(latents)));
  for (const Level& level : up_) {
    for (const WanResidual& residual : level.residuals) x = residual(x);
    if (level.resample) x = (*level.resample)(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
  }
  return decoder_out_(at::silu(decoder_norm_(x))).to(at::kFloat).clamp(-1, 1);
}

at::Tensor AutoencoderWan::Normed(const at::Tensor& latents) const {
  return (latents - OfChannels(config_.latent_means, latents)) /
         OfChannels(config_.latent_deviations, latents);
}

at::Tensor AutoencoderWan::AsMade(const at::Tensor& normed) const {
  return normed * OfChannels(config_.latent_deviations, normed) + OfChannels(config_.latent_means, normed);
}

}  // namespace mind::diffusion
