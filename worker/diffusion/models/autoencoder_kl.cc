#include "worker/diffusion/models/autoencoder_kl.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention_block.h"

namespace mind::diffusion {
namespace {

constexpr double kAutoencoderEpsilon = 1e-6;  // of every norm in it

ResnetOptions Resnet(const AutoencoderConfig& config) {
  return {.groups = config.groups, .epsilon = kAutoencoderEpsilon};
}

MixerFactory MiddleMixer(const AutoencoderConfig& config, int64_t channels) {
  if (!config.middle_attention) return nullptr;
  return [&config, channels](const Scope& scope, size_t) {
    return std::make_unique<AttentionBlock>(
        scope, channels,
        AttentionBlock::Options{.heads = 1, .groups = config.groups, .epsilon = kAutoencoderEpsilon});
  };
}

void ExpectBlocks(const Config& config, const std::string& key, const std::string& kind, size_t count) {
  if (config.RequiredStrings(key) != std::vector<std::string>(count, kind)) {
    config.Unsupported(key, kind + ", once for each of block_out_channels");
  }
}

constexpr char kLatentsMean[] = "latents_mean", kLatentsDeviation[] = "latents_std";

// None, or one for each channel.
std::vector<double> ChannelNumbers(const Config& config, const char* key, int64_t channels) {
  std::vector<double> numbers;
  if (config.Unset(key)) return numbers;
  const nlohmann::json& list = config.at(key);
  for (const auto& number : list) {
    if (number.is_number()) numbers.push_back(number.get<double>());
  }
  if (!list.is_array() || list.size() != numbers.size() || static_cast<int64_t>(numbers.size()) != channels)
    config.Unsupported(key, "null, or a number for each of the latent_channels");
  return numbers;
}

// [channels, 1, 1], for these latents.
at::Tensor PerChannel(const std::vector<double>& numbers, const at::Tensor& latents) {
  return at::tensor(numbers, at::kFloat).to(latents.device()).view({-1, 1, 1});
}

}  // namespace

at::Tensor AutoencoderConfig::Scaled(const at::Tensor& latents) const {
  if (latents_mean.empty()) return (latents - shift_factor) * scaling_factor;
  return (latents - PerChannel(latents_mean, latents)) * scaling_factor /
         PerChannel(latents_deviation, latents);
}

at::Tensor AutoencoderConfig::Unscaled(const at::Tensor& x) const {
  if (latents_mean.empty()) return x / scaling_factor + shift_factor;
  return x * PerChannel(latents_deviation, x) / scaling_factor + PerChannel(latents_mean, x);
}

AutoencoderConfig AutoencoderConfig::From(const Config& config, const std::string& kind) {
  if (config.String("_class_name", kind) != kind) config.Unsupported("_class_name", kind);
  AutoencoderConfig c;
  c.in_channels = config.Int("in_channels", 3);
  c.out_channels = config.Int("out_channels", 3);
  c.latent_channels = config.Int("latent_channels", 4);
  c.channels = config.RequiredInts("block_out_channels");
  constexpr char kDecoderChannels[] = "decoder_block_out_channels";
  c.decoder_channels = config.Unset(kDecoderChannels) ? c.channels : config.RequiredInts(kDecoderChannels);
  c.layers_per_block = config.Int("layers_per_block", 1);
  c.groups = config.Int("norm_num_groups", 32);
  c.scaling_factor = config.Double("scaling_factor", 0.18215);
  c.shift_factor = config.Double("shift_factor", 0);
  c.middle_attention = config.Bool("mid_block_add_attention", true);
  c.force_upcast = config.Bool("force_upcast", false);
  if (c.channels.empty() || c.channels.size() > 16)
    config.Unsupported("block_out_channels", "1 to 16 levels");
  if (c.decoder_channels.size() != c.channels.size())
    config.Unsupported(kDecoderChannels, "as many levels as block_out_channels");
  for (const auto& [key, widths] :
       {std::pair("block_out_channels", c.channels), std::pair(kDecoderChannels, c.decoder_channels)}) {
    for (const int64_t width : widths) {
      if (width < 1 || width > (1 << 16)) config.Unsupported(key, "1 to 65536 channels");
    }
  }
  if (c.layers_per_block < 1 || c.layers_per_block > 64) config.Unsupported("layers_per_block", "1 to 64");
  if (!(c.scaling_factor > 0)) config.Unsupported("scaling_factor", "a positive number");
  if (config.String("act_fn", "silu") != "silu") config.Unsupported("act_fn", "silu");
  c.latents_mean = ChannelNumbers(config, kLatentsMean, c.latent_channels);
  c.latents_deviation = ChannelNumbers(config, kLatentsDeviation, c.latent_channels);
  if (c.latents_mean.empty() != c.latents_deviation.empty())
    config.Unsupported(kLatentsDeviation, "as latents_mean has them, or both null");
  for (const double deviation : c.latents_deviation) {
    if (!(deviation > 0)) config.Unsupported(kLatentsDeviation, "positive numbers");
  }
  ExpectBlocks(config, "down_block_types", "DownEncoderBlock2D", c.channels.size());
  ExpectBlocks(config, "up_block_types", "UpDecoderBlock2D", c.channels.size());
  return c;
}

AutoencoderKl::AutoencoderKl(const Scope& scope, const AutoencoderConfig& config)
    : config_(config),
      encoder_in_(scope / "encoder.conv_in", config.in_channels, config.channels.front()),
      encoder_middle_(scope / "encoder.mid_block", config.channels.back(), Resnet(config),
                      MiddleMixer(config, config.channels.back())),
      encoder_norm_(scope / "encoder.conv_norm_out", config.groups, config.channels.back(),
                    kAutoencoderEpsilon),
      encoder_out_(scope / "encoder.conv_out", config.channels.back(), 2 * config.latent_channels),
      decoder_in_(scope / "decoder.conv_in", config.latent_channels, config.decoder_channels.back()),
      decoder_middle_(scope / "decoder.mid_block", config.decoder_channels.back(), Resnet(config),
                      MiddleMixer(config, config.decoder_channels.back())),
      decoder_norm_(scope / "decoder.conv_norm_out", config.groups, config.decoder_channels.front(),
                    kAutoencoderEpsilon),
      decoder_out_(scope / "decoder.conv_out", config.decoder_channels.front(), config.out_channels) {
  // use_quant_conv and use_post_quant_conv say whether these exist; so do the tensors themselves.
  if (scope.Has("quant_conv.weight")) {
    quant_.emplace(scope / "quant_conv", 2 * config.latent_channels, 2 * config.latent_channels, k1x1);
  }
  if (scope.Has("post_quant_conv.weight")) {
    post_quant_.emplace(scope / "post_quant_conv", config.latent_channels, config.latent_channels, k1x1);
  }
  const size_t levels = config.channels.size();
  for (size_t i = 0; i < levels; ++i) {
    const DownBlock::Options down{.in = config.channels[i == 0 ? 0 : i - 1],
                                  .out = config.channels[i],
                                  .layers = config.layers_per_block,
                                  .transition = i + 1 < levels ? Transition::kConvolution : Transition::kNone,
                                  .downsample_padding = 0,
                                  .resnet = Resnet(config)};
    down_.emplace_back(scope / "encoder.down_blocks" / i, down, nullptr);
  }
  for (size_t i = 0; i < levels; ++i) {
    const int64_t out = config.decoder_channels[levels - 1 - i];
    const size_t layers = static_cast<size_t>(config.layers_per_block + 1);
    UpBlock::Options up{.in = std::vector<int64_t>(layers, out),
                        .skip = std::vector<int64_t>(layers, 0),
                        .out = out,
                        .transition = i + 1 < levels ? Transition::kConvolution : Transition::kNone,
                        .resnet = Resnet(config)};
    up.in.front() = config.decoder_channels[i == 0 ? levels - 1 : levels - i];
    up_.emplace_back(scope / "decoder.up_blocks" / i, up, nullptr);
  }
}

at::Tensor AutoencoderKl::EncodeMoments(const at::Tensor& image) const {
  at::Tensor x = encoder_in_(image);
  for (const DownBlock& block : down_) x = block(x, {});
  x = encoder_out_(encoder_norm_.Activated(encoder_middle_(x, {}), Activation::kSilu));
  return (quant_ ? (*quant_)(x) : x).to(at::kFloat);
}

at::Tensor AutoencoderKl::Decode(const at::Tensor& latents) const {
  at::Tensor x = decoder_in_(post_quant_ ? (*post_quant_)(latents) : latents);
  x = decoder_middle_(x, {});
  for (const UpBlock& block : up_) x = block(x, {});
  return decoder_out_(decoder_norm_.Activated(x, Activation::kSilu)).to(at::kFloat);
}

}  // namespace mind::diffusion
