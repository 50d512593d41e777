#include "worker/diffusion/models/movq.h"

#include "worker/diffusion/models/attention_block.h"

namespace mind::diffusion {
namespace {

constexpr double kMovqEpsilon = 1e-6;  // of every norm in it
constexpr int64_t kMostCodes = 1 << 20;

// Of the decoder where `latents` says how many channels its norms look at; 0: the encoder's.
ResnetOptions Resnet(const MovqConfig& config, int64_t latents) {
  return {.groups = config.groups, .epsilon = kMovqEpsilon, .latent_channels = latents};
}

MixerFactory Mixer(const MovqConfig& config, int64_t channels, int64_t latents) {
  const AttentionBlock::Options options{
      .heads = 1, .groups = config.groups, .epsilon = kMovqEpsilon, .latent_channels = latents};
  return [options, channels](const Scope& scope, size_t) {
    return std::make_unique<AttentionBlock>(scope, channels, options);
  };
}

MixerFactory MiddleMixer(const MovqConfig& config, int64_t latents) {
  return config.middle_attention ? Mixer(config, config.channels.back(), latents) : nullptr;
}

// Which of the levels attend.
std::vector<bool> Attention(const Config& config, const std::string& key, const std::string& plain,
                            size_t levels) {
  const std::string attending = "Attn" + plain;
  std::vector<bool> attention;
  for (const std::string& kind : config.RequiredStrings(key)) {
    if (kind != plain && kind != attending) config.Unsupported(key, plain + ", " + attending);
    attention.push_back(kind == attending);
  }
  if (attention.size() != levels) config.Unsupported(key, "one for each of block_out_channels");
  return attention;
}

int64_t Within(const Config& config, const char* key, int64_t fallback, int64_t most) {
  const int64_t value = config.Int(key, fallback);
  if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
  return value;
}

}  // namespace

MovqConfig MovqConfig::From(const Config& config) {
  constexpr int64_t kMovqChannels = 1 << 16;
  if (config.String("_class_name", "") != "VQModel") config.Unsupported("_class_name", "VQModel");
  // Others' decoders have plain norms, and other latents.
  if (config.String("norm_type", "group") != "spatial") config.Unsupported("norm_type", "spatial");
  if (config.String("act_fn", "silu") != "silu") config.Unsupported("act_fn", "silu");
  if (config.Bool("lookup_from_codebook", false)) config.Unsupported("lookup_from_codebook", "false");
  MovqConfig c;
  c.in_channels = Within(config, "in_channels", 3, kMovqChannels);
  c.out_channels = Within(config, "out_channels", 3, kMovqChannels);
  c.latent_channels = Within(config, "latent_channels", 3, kMovqChannels);
  c.code_width = Within(config, "vq_embed_dim", c.latent_channels, kMovqChannels);
  // The decoder's norms are made for the one, and look at the other.
  if (c.code_width != c.latent_channels) config.Unsupported("vq_embed_dim", "null, as latent_channels");
  c.codes = Within(config, "num_vq_embeddings", c.codes, kMostCodes);
  c.layers_per_block = Within(config, "layers_per_block", 1, 64);
  c.groups = Within(config, "norm_num_groups", 32, kMovqChannels);
  c.middle_attention = config.Bool("mid_block_add_attention", true);
  c.force_upcast = config.Bool("force_upcast", false);
  c.scaling_factor = 1;
  c.channels = config.RequiredInts("block_out_channels");
  if (c.channels.empty() || c.channels.size() > 16)
    config.Unsupported("block_out_channels", "1 to 16 levels");
  for (const int64_t width : c.channels) {
    if (width < 1 || width > kMovqChannels) config.Unsupported("block_out_channels", "1 to 65536 channels");
  }
  c.down_attention = Attention(config, "down_block_types", "DownEncoderBlock2D", c.channels.size());
  c.up_attention = Attention(config, "up_block_types", "UpDecoderBlock2D", c.channels.size());
  return c;
}

Movq::Movq(const Scope& scope, const MovqConfig& config)
    : config_(config),
      encoder_in_(scope / "encoder.conv_in", config.in_channels, config.channels.front()),
      encoder_middle_(scope / "encoder.mid_block", config.channels.back(), Resnet(config, 0),
                      MiddleMixer(config, 0)),
      encoder_norm_(scope / "encoder.conv_norm_out", config.groups, config.channels.back(), kMovqEpsilon),
      encoder_out_(scope / "encoder.conv_out", config.channels.back(), config.latent_channels),
      quant_(scope / "quant_conv", config.latent_channels, config.code_width, k1x1),
      post_quant_(scope / "post_quant_conv", config.code_width, config.latent_channels, k1x1),
      decoder_in_(scope / "decoder.conv_in", config.latent_channels, config.channels.back()),
      decoder_middle_(scope / "decoder.mid_block", config.channels.back(), Resnet(config, config.code_width),
                      MiddleMixer(config, config.code_width)),
      decoder_norm_(scope / "decoder.conv_norm_out", config.channels.front(), config.code_width),
      decoder_out_(scope / "decoder.conv_out", config.channels.front(), config.out_channels) {
  // The codebook is there, and of no use.
  scope.Take("quantize.embedding.weight", {config.codes, config.code_width});
  const size_t levels = config.channels.size();
  const auto transition = [&](size_t i) {
    return i + 1 < levels ? Transition::kConvolution : Transition::kNone;
  };
  for (size_t i = 0; i < levels; ++i) {
    const DownBlock::Options down{.in = config.channels[i == 0 ? 0 : i - 1],
                                  .out = config.channels[i],
                                  .layers = config.layers_per_block,
                                  .transition = transition(i),
                                  .downsample_padding = 0,
                                  .resnet = Resnet(config, 0)};
    down_.emplace_back(scope / "encoder.down_blocks" / i, down,
                       config.down_attention[i] ? Mixer(config, down.out, 0) : nullptr);
  }
  for (size_t i = 0; i < levels; ++i) {
    const int64_t out = config.channels[levels - 1 - i];
    const size_t layers = static_cast<size_t>(config.layers_per_block + 1);
    UpBlock::Options up{.in = std::vector<int64_t>(layers, out),
                        .skip = std::vector<int64_t>(layers, 0),
                        .out = out,
                        .transition = transition(i),
                        .resnet = Resnet(config, config.code_width)};
    up.in.front() = config.channels[i == 0 ? levels - 1 : levels - i];
    up_.emplace_back(scope / "decoder.up_blocks" / i, up,
                     config.up_attention[i] ? Mixer(config, out, config.code_width) : nullptr);
  }
}

at::Tensor Movq::Encode(const at::Tensor& image) const {
  at::Tensor x = encoder_in_(image);
  for (const DownBlock& block : down_) x = block(x, {});
  x = encoder_out_(encoder_norm_.Activated(encoder_middle_(x, {}), Activation::kSilu));
  return quant_(x).to(at::kFloat);
}

at::Tensor Movq::Decode(const at::Tensor& latents) const {
  const Signals signals{.time = {}, .context = {}, .context_mask = {}, .label = {}, .latents = latents};
  at::Tensor x = decoder_middle_(decoder_in_(post_quant_(latents)), signals);
  for (const UpBlock& block : up_) x = block(x, signals);
  return decoder_out_(at::silu(decoder_norm_(x, latents))).to(at::kFloat);
}

}  // namespace mind::diffusion
