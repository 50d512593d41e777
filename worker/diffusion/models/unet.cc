#include "worker/diffusion/models/unet.h"

#include "worker/diffusion/models/attention_block.h"
#include "worker/diffusion/models/transformer_2d.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kTimeWidthFactor = 4;

MixerFactory Mixer(const UNetConfig& config, LevelKind kind, const UNetLevel& level, bool middle) {
  switch (kind) {
    case LevelKind::kPlain:
      return nullptr;
    case LevelKind::kSelfAttention: {
      const AttentionBlock::Options options{.heads = level.heads,
                                            .groups = middle ? config.middle_groups : config.groups,
                                            .epsilon = config.epsilon,
                                            .output_scale = middle ? config.middle_scale : 1};
      return [options, channels = level.channels](const Scope& scope) {
        return std::make_unique<AttentionBlock>(scope, channels, options);
      };
    }
    case LevelKind::kCrossAttention: {
      const Transformer2DOptions options{
          .heads = level.heads,
          .layers = level.transformer_layers,
          .context_width = config.context_width,
          .groups = config.groups,
          .linear_projection = config.linear_projection,
          .only_cross_attention = middle ? config.middle_only_cross_attention : level.only_cross_attention};
      return [options, channels = level.channels](const Scope& scope) {
        return std::make_unique<Transformer2D>(scope, channels, options);
      };
    }
  }
  return nullptr;
}

}  // namespace

UNet::UNet(const Scope& scope, const UNetConfig& config)
    : config_(config),
      conv_in_(scope / "conv_in", config.in_channels, config.levels.front().channels),
      time_embedding_(scope / "time_embedding", config.levels.front().channels,
                      kTimeWidthFactor * config.levels.front().channels),
      norm_out_(scope / "conv_norm_out", config.groups, config.levels.front().channels, config.epsilon),
      conv_out_(scope / "conv_out", config.levels.front().channels, config.out_channels) {
  const int64_t time_width = kTimeWidthFactor * config.levels.front().channels;
  if (config.class_count > 0)
    class_embedding_.emplace(scope / "class_embedding", config.class_count, time_width);
  if (config.text_pooling_heads > 0) {
    text_pooling_.emplace(scope / "add_embedding", config.context_width, time_width,
                          config.text_pooling_heads);
  }

  ResnetOptions resnet{.groups = config.groups,
                       .epsilon = config.epsilon,
                       .time_width = time_width,
                       .scale_shift = config.scale_shift,
                       .output_scale = 1};
  const size_t levels = config.levels.size();
  int64_t previous = config.levels.front().channels;
  std::vector<int64_t> skips = {previous};
  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[i];
    const DownBlock::Options options{.in = previous,
                                     .out = level.channels,
                                     .layers = config.layers_per_block,
                                     .downsample = i + 1 < levels,
                                     .downsample_padding = config.downsample_padding,
                                     .resnet = resnet};
    down_.emplace_back(scope / "down_blocks" / i, options,
                       Mixer(config, level.kind, level, /*middle=*/false));
    skips.insert(skips.end(), static_cast<size_t>(config.layers_per_block + (options.downsample ? 1 : 0)),
                 level.channels);
    previous = level.channels;
  }

  ResnetOptions middle_resnet = resnet;
  middle_resnet.output_scale = config.middle_scale;
  middle_.emplace(scope / "mid_block", previous, middle_resnet,
                  Mixer(config, config.middle, config.levels.back(), /*middle=*/true));

  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[levels - 1 - i];
    UpBlock::Options options{.in = {}, .out = level.channels, .upsample = i + 1 < levels, .resnet = resnet};
    for (int64_t layer = 0; layer <= config.layers_per_block; ++layer) {
      options.in.push_back((layer == 0 ? previous : level.channels) + skips.back());
      skips.pop_back();
    }
    up_.emplace_back(scope / "up_blocks" / i, options,
                     Mixer(config, config.up_kinds[i], level, /*middle=*/false));
    previous = level.channels;
  }
}

at::Tensor UNet::EmbedTime(const DenoiserInput& input) const {
  const SinusoidOptions sinusoid{.flip_sin_to_cos = config_.flip_sin_to_cos,
                                 .freq_shift = config_.freq_shift};
  const at::Tensor waves = SinusoidalEmbedding(input.timestep, config_.levels.front().channels, sinusoid);
  at::Tensor time = time_embedding_(waves.to(input.sample.scalar_type()));
  if (class_embedding_) time = time + (*class_embedding_)(input.label);
  if (text_pooling_) time = time + (*text_pooling_)(input.context);
  return time;
}

at::Tensor UNet::operator()(const DenoiserInput& input) const {
  const at::Tensor time = EmbedTime(input);
  at::Tensor x = conv_in_(config_.center_input ? 2 * input.sample - 1 : input.sample);
  std::vector<at::Tensor> skips = {x};
  for (const DownBlock& block : down_) x = block(x, time, input.context, &skips);
  x = (*middle_)(x, time, input.context);
  for (const UpBlock& block : up_) x = block(x, time, input.context, &skips);
  return conv_out_(at::silu(norm_out_(x)));
}

}  // namespace mind::diffusion
