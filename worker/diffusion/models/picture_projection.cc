#include "worker/diffusion/models/picture_projection.h"

namespace mind::diffusion {

PictureProjectionConfig PictureProjectionConfig::From(const Config& config) {
  constexpr int64_t kMost = 1 << 16;
  PictureProjectionConfig c;
  const auto read = [&config](const char* key, int64_t fallback, int64_t most) {
    const int64_t value = config.Int(key, fallback);
    if (value < 1 || value > most) config.Unsupported(key, "1 to " + std::to_string(most));
    return value;
  };
  c.embedding = read("clip_embeddings_dim", c.embedding, kMost);
  c.tokens = read("clip_extra_context_tokens", c.tokens, 64);
  c.context_width = config.RequiredInt("cross_attention_dim");
  c.context_width = read("cross_attention_dim", c.context_width, kMost);
  c.time_width = config.RequiredInt("time_embed_dim");
  c.time_width = read("time_embed_dim", c.time_width, kMost);
  return c;
}

PictureProjection::PictureProjection(const Scope& scope, const PictureProjectionConfig& config)
    : config_(config),
      no_picture_(scope.Take("learned_classifier_free_guidance_embeddings", {config.embedding})),
      pooled_to_time_(scope / "embedding_proj", config.embedding, config.time_width),
      picture_to_time_(scope / "clip_image_embeddings_project_to_time_embeddings", config.embedding,
                       config.time_width),
      picture_to_tokens_(scope / "clip_extra_context_tokens_proj", config.embedding,
                         config.tokens * config.context_width),
      text_in_(scope / "encoder_hidden_states_proj", config.embedding, config.context_width),
      text_norm_(scope / "text_encoder_hidden_states_norm", config.context_width) {}

PictureProjection::Projected PictureProjection::operator()(const at::Tensor& picture,
                                                           const at::Tensor& pooled,
                                                           const at::Tensor& states) const {
  // Token k is made of the numbers k, k + tokens, k + 2·tokens …
  const at::Tensor tokens =
      picture_to_tokens_(picture).reshape({picture.size(0), -1, config_.tokens}).transpose(1, 2);
  return {at::cat({tokens, text_norm_(text_in_(states))}, 1),
          picture_to_time_(picture) + pooled_to_time_(pooled)};
}

}  // namespace mind::diffusion
