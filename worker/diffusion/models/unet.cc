#include "worker/diffusion/models/unet.h"

#include <algorithm>

#include "worker/diffusion/models/attention_block.h"
#include "worker/diffusion/models/transformer_2d.h"

namespace mind::diffusion {
namespace {

// Of the residual blocks and mixers beside a pyramid; the picture's share is added on top.
constexpr double kPyramidScale = 1.4142135623730951;
constexpr int64_t kPyramidMixerGroups = 32;

// `layers`: of each of the level's transformers.
MixerFactory Mixer(const UNetConfig& config, LevelKind kind, const UNetLevel& level,
                   const std::vector<int64_t>& layers, bool middle) {
  switch (kind) {
    case LevelKind::kPlain:
      return nullptr;
    case LevelKind::kSelfAttention:
    case LevelKind::kAddedAttention: {
      const bool pyramid = !middle && config.has_pyramid();
      const AttentionBlock::Options options{
          .heads = level.heads,
          .groups = middle    ? config.middle_groups
                    : pyramid ? kPyramidMixerGroups
                              : config.groups,
          .epsilon = config.epsilon,
          .output_scale = middle    ? config.middle_scale
                          : pyramid ? kPyramidScale
                                    : 1,
          .context_width = kind == LevelKind::kAddedAttention ? config.context_width : 0};
      return [options, channels = level.channels](const Scope& scope, size_t) {
        return std::make_unique<AttentionBlock>(scope, channels, options);
      };
    }
    case LevelKind::kCrossAttention: {
      const Transformer2DOptions options{
          .heads = level.heads,
          .context_width = config.context_width,
          .groups = config.groups,
          .linear_projection = config.linear_projection,
          .gate = config.gate,
          .only_cross_attention = middle ? config.middle_only_cross_attention : level.only_cross_attention};
      return [options, layers, channels = level.channels](const Scope& scope, size_t layer) {
        Transformer2DOptions own = options;
        own.layers = layers[layer];
        return std::make_unique<Transformer2D>(scope, channels, own);
      };
    }
  }
  return nullptr;
}

// Of the transformers of a level on the way up, coarsest first; none where no level has any.
std::vector<int64_t> UpLayers(const UNetConfig& config, size_t level) {
  return config.up_transformer_layers.empty() ? std::vector<int64_t>() : config.up_transformer_layers[level];
}

}  // namespace

UNet::UNet(const Scope& scope, const UNetConfig& config)
    : config_(config),
      conv_in_(scope / "conv_in", config.in_channels, config.base_channels),
      time_embedding_(scope / "time_embedding",
                      config.base_channels * (config.time_features == TimeFeatures::kFourier ? 2 : 1),
                      config.time_width),
      norm_out_(scope / "conv_norm_out",
                config.groups > 0 ? config.groups : std::min<int64_t>(config.base_channels / 4, 32),
                config.base_channels, config.epsilon),
      conv_out_(scope / "conv_out", config.base_channels, config.out_channels) {
  if (config.time_features == TimeFeatures::kFourier) {
    frequencies_ = (scope / "time_proj").Take("weight", {config.base_channels});
  }
  if (config.class_count > 0 && !config.class_bias) {
    class_embedding_.emplace(scope / "class_embedding", config.class_count, config.time_width);
  }
  if (config.text_pooling == TextPoolingKind::kAttention) {
    text_pooling_.emplace(scope / "add_embedding", config.context_width, config.time_width,
                          config.text_pooling_heads);
  } else if (config.text_pooling == TextPoolingKind::kLastToken) {
    last_token_.emplace(scope / "add_embedding", config.context_width, config.time_width);
  }
  if (config.frame_width > 0)
    frame_embedding_.emplace(scope / "add_embedding", config.added_width, config.time_width);
  if (config.guidance_width > 0) {
    guidance_projection_.emplace(scope / "time_embedding.cond_proj", config.guidance_width,
                                 config.base_channels, /*bias=*/false);
  }

  ResnetOptions resnet{.groups = config.groups,
                       .epsilon = config.epsilon,
                       .time_width = config.time_width,
                       .scale_shift = config.scale_shift,
                       .output_scale = config.middle_scale,
                       .activation = config.activation,
                       .class_count = config.class_bias ? config.class_count : 0};
  middle_.emplace(scope / "mid_block", config.levels.back().channels, resnet,
                  Mixer(config, config.middle, config.levels.back(), {config.middle_transformer_layers},
                        /*middle=*/true));

  resnet.output_scale = config.has_pyramid() ? kPyramidScale : 1;
  if (config.has_pyramid()) resnet.groups = 0;
  const size_t levels = config.levels.size();
  int64_t previous = config.base_channels;
  std::vector<int64_t> skips = {previous};
  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[i];
    const bool last = i + 1 == levels;
    const DownBlock::Options options{.in = previous,
                                     .out = level.channels,
                                     .layers = config.layers_per_block,
                                     .transition = last ? Transition::kNone : level.transition,
                                     .downsample_padding = config.downsample_padding,
                                     .resnet = resnet};
    down_.emplace_back(scope / "down_blocks" / i, options,
                       Mixer(config, level.kind, level, level.transformer_layers, /*middle=*/false));
    skips.insert(skips.end(), static_cast<size_t>(config.layers_per_block + (last ? 0 : 1)), level.channels);
    previous = level.channels;
  }

  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[levels - 1 - i];
    UpBlock::Options options{.in = {},
                             .skip = {},
                             .out = level.channels,
                             .pyramid = config.has_pyramid(),
                             .transition = i + 1 == levels ? Transition::kNone : config.up_transitions[i],
                             .resnet = resnet};
    for (int64_t layer = 0; layer <= config.layers_per_block; ++layer) {
      options.in.push_back(layer == 0 ? previous : level.channels);
      options.skip.push_back(skips.back());
      skips.pop_back();
    }
    up_.emplace_back(scope / "up_blocks" / i, options,
                     Mixer(config, config.up_kinds[i], level, UpLayers(config, i), /*middle=*/false));
    previous = level.channels;
  }
}

at::Tensor UNet::EmbedTime(const DenoiserInput& input) const {
  const Told& told = input.told;
  const SinusoidOptions sinusoid{.flip_sin_to_cos = config_.flip_sin_to_cos,
                                 .freq_shift = config_.freq_shift,
                                 .scale = config_.time_scale};
  at::Tensor features;
  if (config_.time_features == TimeFeatures::kFourier) {
    features = FourierFeatures(at::log(input.timestep), frequencies_);
  } else {
    features = SinusoidalEmbedding(input.timestep, config_.base_channels, sinusoid);
  }
  features = features.to(input.sample.scalar_type());
  if (guidance_projection_) features = features + (*guidance_projection_)(told[Condition::kGuidance]);
  at::Tensor time = time_embedding_(features);
  if (class_embedding_) time = time + (*class_embedding_)(told[Condition::kLabel]);
  if (text_pooling_) time = time + (*text_pooling_)(told[Condition::kText]);
  if (last_token_) time = time + (*last_token_)(told[Condition::kText].select(1, -1));
  if (frame_embedding_) {
    const at::Tensor& sizes = told[Condition::kSizes];
    const at::Tensor waves = SinusoidalEmbedding(sizes.flatten(), config_.frame_width, sinusoid)
                                 .reshape({sizes.size(0), -1})
                                 .to(input.sample.scalar_type());
    time = time + (*frame_embedding_)(at::cat({told[Condition::kPooled], waves}, 1));
  }
  return time;
}

at::Tensor UNet::operator()(const DenoiserInput& input) const {
  const Told& told = input.told;
  const Signals signals{
      .time = EmbedTime(input), .context = told[Condition::kText], .label = told[Condition::kLabel]};
  const int64_t pad = config_.padding;
  at::Tensor x = told[Condition::kChannels].defined() ? at::cat({input.sample, told[Condition::kChannels]}, 1)
                                                      : input.sample;
  if (config_.center_input) x = 2 * x - 1;
  if (pad > 0) x = at::constant_pad_nd(x, {pad, pad, pad, pad});
  Carried carried;
  if (config_.has_pyramid()) carried.pyramid = x;
  x = conv_in_(x);
  carried.skips = {x};
  for (const DownBlock& block : down_) x = block(x, signals, &carried);
  x = (*middle_)(x, signals);
  carried.pyramid = at::Tensor();  // the one that grows upwards begins with nothing
  for (const UpBlock& block : up_) x = block(x, signals, &carried);
  x = conv_out_(Activate(config_.activation, norm_out_(x)));
  if (carried.pyramid.defined()) x = x + carried.pyramid;
  if (pad > 0) x = x.slice(2, pad, x.size(2) - pad).slice(3, pad, x.size(3) - pad);
  // A score: noise over sigma, which is what such a network is told as its timestep.
  if (config_.time_features == TimeFeatures::kFourier) x = x / input.timestep.reshape({-1, 1, 1, 1});
  return x;
}

}  // namespace mind::diffusion
