#include "worker/diffusion/models/unet_trunk.h"

#include "worker/diffusion/models/unet_levels.h"

namespace mind::diffusion {

UNetTrunk::UNetTrunk(const Scope& scope, const UNetConfig& config)
    : config_(config),
      conv_in_(scope / "conv_in", config.in_channels, config.base_channels),
      time_embedding_(scope / "time_embedding",
                      config.base_channels * (config.time_features == TimeFeatures::kFourier ? 2 : 1),
                      config.time_width, config.time_activation) {
  if (config.time_features == TimeFeatures::kFourier) {
    frequencies_ = (scope / "time_proj").TakeInFloat32("weight", {config.base_channels});
  }
  if (config.class_count > 0 && !config.class_bias) {
    class_embedding_.emplace(scope / "class_embedding", config.class_count, config.time_width);
  }
  if (config.text_pooling == TextPoolingKind::kAttention) {
    text_pooling_.emplace(scope / "add_embedding", config.text_width(), config.time_width,
                          config.text_pooling_heads);
  } else if (config.text_pooling == TextPoolingKind::kLastToken) {
    last_token_.emplace(scope / "add_embedding", config.context_width, config.time_width);
  }
  if (config.frame_width > 0)
    frame_embedding_.emplace(scope / "add_embedding", config.added_width, config.time_width);
  if (config.image_projected)
    image_embedding_.emplace(scope / "class_embedding", config.image_width, config.time_width);
  if (config.picture_context > 0)
    picture_context_.emplace(scope, config.picture_context, config.context_width, config.time_width);
  if (config.level_class)
    image_embedding_.emplace(scope / "class_embedding", config.base_channels, config.time_width,
                             config.time_activation);
  if (config.encoded_width > 0)
    text_projection_.emplace(scope / "encoder_hid_proj", config.encoded_width, config.context_width);
  if (config.guidance_width > 0) {
    guidance_projection_.emplace(scope / "time_embedding.cond_proj", config.guidance_width,
                                 config.base_channels, /*bias=*/false);
  }

  middle_.emplace(
      scope / "mid_block", config.levels.back().channels, MiddleResnet(config),
      LevelMixer(config, config.middle, config.levels.back(), {config.middle_transformer_layers}, "mid_block",
                 /*middle=*/true),
      config.middle_resnets);

  const size_t levels = config.levels.size();
  int64_t previous = config.base_channels;
  skip_channels_ = {previous};
  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[i];
    const bool last = i + 1 == levels;
    const DownBlock::Options options{.in = previous,
                                     .out = level.channels,
                                     .layers = level.layers,
                                     .transition = last ? Transition::kNone : level.transition,
                                     .downsample_padding = config.downsample_padding,
                                     .resnet = LevelResnet(config)};
    down_.emplace_back(scope / "down_blocks" / i, options,
                       LevelMixer(config, level.kind, level, level.transformer_layers,
                                  "down_blocks." + std::to_string(i), /*middle=*/false));
    skip_channels_.insert(skip_channels_.end(), static_cast<size_t>(level.layers + (last ? 0 : 1)),
                          level.channels);
    previous = level.channels;
  }
}

Signals UNetTrunk::SignalsOf(const DenoiserInput& input) const {
  const Told& told = input.told;
  return {.time = EmbedTime(input),
          .context = ContextOf(told),
          .context_mask = told[Condition::kTextMask],
          .label = told[Condition::kLabel],
          .perturbation = told.perturbation(),
          .picture_prompts = &told.picture_prompts()};
}

at::Tensor UNetTrunk::ContextOf(const Told& told) const {
  if (picture_context_) return picture_context_->Tokens(told[Condition::kImage]);
  const at::Tensor& text = told[Condition::kText];
  return text_projection_ ? (*text_projection_)(text) : text;
}

at::Tensor UNetTrunk::Down(at::Tensor x, const Signals& signals, const std::vector<at::Tensor>& features,
                           Carried& carried) const {
  carried.skips = {x};
  for (size_t i = 0; i < down_.size(); ++i)
    x = down_[i](x, signals, &carried, i < features.size() ? features[i] : at::Tensor());
  return x;
}

at::Tensor UNetTrunk::EmbedTime(const DenoiserInput& input) const {
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
  if (guidance_projection_) features = features + (*guidance_projection_)(told[Condition::kGuidance]);
  at::Tensor time = time_embedding_(features);
  if (class_embedding_) time = time + (*class_embedding_)(told[Condition::kLabel]);
  if (config_.level_class) {
    const at::Tensor level = told[Condition::kLabel].to(at::kFloat);
    time = time + (*image_embedding_)(SinusoidalEmbedding(level, config_.base_channels, sinusoid));
  }
  if (config_.image_width > 0) {
    const at::Tensor& image = told[Condition::kImage];
    time = time + (image_embedding_ ? (*image_embedding_)(image) : image);
  }
  if (picture_context_) time = time + picture_context_->Added(told[Condition::kImage]);
  if (text_pooling_) time = time + (*text_pooling_)(told[Condition::kText]);
  if (last_token_) time = time + (*last_token_)(told[Condition::kText].select(1, -1));
  if (frame_embedding_) {
    const at::Tensor& sizes = told[Condition::kSizes];
    const at::Tensor waves =
        SinusoidalEmbedding(sizes.flatten(), config_.frame_width, sinusoid).reshape({sizes.size(0), -1});
    time = time + (*frame_embedding_)(at::cat({told[Condition::kPooled], waves}, 1));
  }
  return config_.sum_activation ? Activate(*config_.sum_activation, time) : time;
}

}  // namespace mind::diffusion
