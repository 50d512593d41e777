#include "worker/diffusion/models/glide_text.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

ClipTextConfig GlideLayerConfig(const GlideTextConfig& config) {
  ClipTextConfig layer;
  layer.width = config.width;
  layer.feed_forward = 4 * config.width;
  layer.heads = config.heads;
  layer.epsilon = config.epsilon;
  layer.activation = config.activation;
  return layer;
}

}  // namespace

GlideTextConfig GlideTextConfig::From(const Config& config) {
  GlideTextConfig c;
  c.vocabulary = config.Int("n_vocab", c.vocabulary);
  c.positions = config.Int("text_ctx", c.positions);
  c.width = config.Int("xf_width", c.width);
  c.layers = config.Int("xf_layers", c.layers);
  c.heads = config.Int("xf_heads", c.heads);
  c.final_norm = config.Bool("xf_final_ln", c.final_norm);
  c.epsilon = config.Double("xf_norm_eps", c.epsilon);
  c.activation = ReadActivation(config, "xf_activation", c.activation);
  if (!config.Bool("xf_padding", true)) config.Unsupported("xf_padding", "true");
  if (c.heads < 1 || c.width < 1 || c.width % c.heads != 0)
    config.Unsupported("xf_heads", "a divisor of xf_width");
  if (c.layers < 1 || c.layers > 1024) config.Unsupported("xf_layers", "1 to 1024");
  if (c.positions < 1 || c.positions > 65536) config.Unsupported("text_ctx", "1 to 65536");
  if (c.vocabulary < 1) config.Unsupported("n_vocab", "1 or more");
  return c;
}

GlideText::GlideText(const Scope& scope, const GlideTextConfig& config)
    : config_(config),
      tokens_(scope / "token_embedding", config.vocabulary, config.width),
      positional_(scope.Take("positional_embedding", {config.positions, config.width})),
      padding_(scope.Take("padding_embedding", {config.positions, config.width})) {
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(scope / "layers" / static_cast<size_t>(i), GlideLayerConfig(config));
  }
  if (config.final_norm) final_norm_.emplace(scope / "final_norm", config.width, config.epsilon);
}

TextStates GlideText::States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const {
  const int64_t length = ids.size(1);
  if (length > config_.positions) {
    throw RequestError("a prompt of " + std::to_string(length) +
                       " tokens is longer than the text encoder's " + std::to_string(config_.positions));
  }
  const at::Tensor words =
      WithInserted(tokens_(ids), inserted) + positional_.slice(0, 0, length).unsqueeze(0);
  const at::Tensor rest =
      padding_.slice(0, length).unsqueeze(0).expand({ids.size(0), config_.positions - length, config_.width});
  TextStates states;
  states.layers.push_back(at::cat({words, rest}, 1));
  for (const ClipTextLayer& layer : layers_)
    states.layers.push_back(layer(states.layers.back(), /*causal_mask=*/{}));
  return states;
}

}  // namespace mind::diffusion
