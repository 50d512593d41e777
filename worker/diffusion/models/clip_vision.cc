#include "worker/diffusion/models/clip_vision.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kPixelChannels = 3;
constexpr int64_t kMostVisionPixels = 4096, kMostVisionLayers = 1024;

// The layers are those of the text tower, without its mask.
ClipTextConfig VisionLayerConfig(const ClipVisionConfig& config) {
  ClipTextConfig layer;
  layer.width = config.width;
  layer.feed_forward = config.feed_forward;
  layer.heads = config.heads;
  layer.epsilon = config.epsilon;
  layer.activation = config.activation;
  return layer;
}

std::vector<int64_t> TokenShape(const ClipVisionConfig& config) {
  if (config.timesteps == 0) return {config.width};
  return {config.timesteps, config.width};
}

int64_t PatchesOf(const ClipVisionConfig& config) {
  const int64_t side = config.image_size / config.patch_size;
  return side * side;
}

}  // namespace

ClipVisionConfig ClipVisionConfig::From(const Config& config) {
  ClipVisionConfig c;
  if (config.String("model_type", "clip_vision_model") != "clip_vision_model")
    config.Unsupported("model_type", "clip_vision_model");
  c.image_size = config.Int("image_size", c.image_size);
  c.patch_size = config.Int("patch_size", c.patch_size);
  c.width = config.Int("hidden_size", c.width);
  c.feed_forward = config.Int("intermediate_size", c.feed_forward);
  c.layers = config.Int("num_hidden_layers", c.layers);
  c.heads = config.Int("num_attention_heads", c.heads);
  c.epsilon = config.Double("layer_norm_eps", c.epsilon);
  c.activation = ReadActivation(config, "hidden_act", c.activation);
  c.projection = config.Int("projection_dim", c.projection);
  if (config.Int("num_channels", kPixelChannels) != kPixelChannels) config.Unsupported("num_channels", "3");
  if (c.image_size < 1 || c.image_size > kMostVisionPixels) config.Unsupported("image_size", "1 to 4096");
  if (c.patch_size < 1 || c.patch_size > c.image_size) config.Unsupported("patch_size", "1 to image_size");
  if (c.heads < 1 || c.width < 1 || c.width % c.heads != 0)
    config.Unsupported("num_attention_heads", "a divisor of hidden_size");
  if (c.layers < 1 || c.layers > kMostVisionLayers) config.Unsupported("num_hidden_layers", "1 to 1024");
  if (c.projection < 1) config.Unsupported("projection_dim", "1 or more");
  return c;
}

ClipVision::ClipVision(const Scope& scope, const ClipVisionConfig& config)
    : config_(config),
      class_token_((scope / "vision_model.embeddings").Take("class_embedding", TokenShape(config))),
      patches_((scope / "vision_model.embeddings.patch_embedding")
                   .Take("weight", {config.width, kPixelChannels, config.patch_size, config.patch_size})),
      positions_((scope / "vision_model.embeddings.position_embedding")
                     .Take("weight", {1 + PatchesOf(config), config.width})),
      norm_before_(scope / "vision_model.pre_layrnorm", config.width, config.epsilon),  // its name so
      norm_after_(scope / "vision_model.post_layernorm", config.width, config.epsilon),
      projection_(scope / "visual_projection", config.width, config.projection, /*bias=*/false) {
  for (int64_t i = 0; i < config.layers; ++i)
    layers_.emplace_back(scope / "vision_model.encoder.layers" / static_cast<size_t>(i),
                         VisionLayerConfig(config));
}

at::Tensor ClipVision::FirstTokens(int64_t rows, const at::Tensor& timestep) const {
  if (config_.timesteps == 0) return class_token_.expand({rows, 1, config_.width});
  const at::Tensor step = timestep.round().clamp(0, config_.timesteps - 1).to(at::kLong);
  return class_token_.index_select(0, step).unsqueeze(1);
}

PictureStates ClipVision::operator()(const at::Tensor& pixels, const at::Tensor& timestep) const {
  const at::Tensor patches =
      ConvProduct(InTypeOf(patches_, pixels), patches_, /*bias=*/{}, /*stride=*/config_.patch_size)
          .flatten(2)
          .transpose(1, 2);
  const at::Tensor first = FirstTokens(pixels.size(0), timestep);
  PictureStates states;
  states.layers.push_back(norm_before_(at::cat({first, patches}, 1) + positions_));
  for (const ClipTextLayer& layer : layers_)
    states.layers.push_back(layer(states.layers.back(), /*causal_mask=*/{}));
  states.embedding = projection_(norm_after_(states.layers.back().select(1, 0)));
  return states;
}

}  // namespace mind::diffusion
