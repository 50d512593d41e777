#include "worker/diffusion/models/unet_levels.h"

#include "worker/diffusion/models/attention_block.h"
#include "worker/diffusion/models/transformer_2d.h"

namespace mind::diffusion {
namespace {

// Of the residual blocks and mixers beside a pyramid; the picture's share is added on top.
constexpr double kPyramidScale = 1.4142135623730951;
constexpr int64_t kPyramidMixerGroups = 32;

}  // namespace

ResnetOptions MiddleResnet(const UNetConfig& config) {
  return {.groups = config.groups,
          .epsilon = config.epsilon,
          .time_width = config.time_width,
          .scale_shift = config.scale_shift,
          .activated_time = config.activated_time,
          .output_scale = config.middle_scale,
          .activation = config.activation,
          .class_count = config.class_bias ? config.class_count : 0};
}

ResnetOptions LevelResnet(const UNetConfig& config) {
  ResnetOptions resnet = MiddleResnet(config);
  resnet.output_scale = config.has_pyramid() ? kPyramidScale : config.resnet_scale;
  if (config.has_pyramid()) resnet.groups = 0;
  return resnet;
}

MixerFactory LevelMixer(const UNetConfig& config, LevelKind kind, const UNetLevel& level,
                        const std::vector<int64_t>& layers, const std::string& name, bool middle) {
  switch (kind) {
    case LevelKind::kPlain:
      return nullptr;
    case LevelKind::kSelfAttention:
    case LevelKind::kAddedAttention: {
      const bool pyramid = !middle && config.has_pyramid(), added = kind == LevelKind::kAddedAttention;
      const AttentionBlock::Options options{
          .heads = level.heads,
          .groups = middle    ? config.middle_groups
                    : pyramid ? kPyramidMixerGroups
                              : config.groups,
          .epsilon = config.epsilon,
          .output_scale = added     ? 1
                          : middle  ? config.middle_scale
                          : pyramid ? kPyramidScale
                                    : 1,
          .context_width = added ? config.context_width : 0,
          .only_context = added && (middle ? config.middle_only_cross_attention : level.only_cross_attention),
          .context_norm = config.context_norm};
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
      return [options, layers, name, channels = level.channels](const Scope& scope, size_t layer) {
        Transformer2DOptions own = options;
        own.path = name + ".attentions." + std::to_string(layer);
        own.layers = layers[layer];
        return std::make_unique<Transformer2D>(scope, channels, own);
      };
    }
  }
  return nullptr;
}

}  // namespace mind::diffusion
