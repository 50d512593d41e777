// Z-Image's denoiser: one stream of tokens, the picture's and then the prompt's, through one stack of layers;
// before that each goes through a few of its own.
// Sources: Z-Image Team 2025, "Z-Image: An Efficient Image Generation Foundation Model with Single-Stream
// Diffusion Transformer", sec. 4; diffusers models/transformers/transformer_z_image.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_Z_IMAGE_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_Z_IMAGE_TRANSFORMER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/gated_mlp.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/rotary.h"
#include "worker/diffusion/models/stream_attention.h"

namespace mind::diffusion {

struct ZImageTransformerConfig {
  int64_t patch = 2;  // latents a token, each way
  int64_t in_channels = 16;
  int64_t width = 0;       // of tokens
  int64_t text_width = 0;  // of the prompt's states
  int64_t heads = 0;
  int64_t layers = 0;
  int64_t refiners = 0;  // layers of the picture's own, and of the prompt's
  double epsilon = 1e-5;
  double time_scale = 1000;
  double theta = 256;
  std::vector<int64_t> axes;  // numbers of a head for each axis: order in the sequence, line, column

  int64_t time_width() const;    // of what layers are told the noise level by
  int64_t feed_forward() const;  // inner numbers
  // transformer/config.json. Throws ModelError.
  static ZImageTransformerConfig From(const Config& config);
};

class ZImageLayer {
 public:
  // `told`: whether its norms are scaled, and what it adds is gated, by the noise level.
  ZImageLayer(const Scope& scope, const ZImageTransformerConfig& config, bool told);
  // x float [B, N, width]; time [B, time_width], undefined for layers that are not told.
  at::Tensor operator()(const at::Tensor& x, const Rotation& rotation, const at::Tensor& time) const;

 private:
  std::optional<Linear> modulation_;
  RmsNorm attention_before_, attention_after_, feed_forward_before_, feed_forward_after_;
  AttentionStream attention_;
  GatedMlp feed_forward_;
};

class ZImageTransformer : public Denoiser {
 public:
  ZImageTransformer(const Scope& scope, const ZImageTransformerConfig& config);

  // Told Condition::kText, the prompt's tokens alone: padding to a multiple of 32 tokens, which layers do
  // see, is the network's own, and so is the picture's. Answers with the velocity, noise less picture. The
  // sides of the sample must be multiples of the patch.
  at::Tensor operator()(const DenoiserInput& input) const override;

  const ZImageTransformerConfig& config() const { return config_; }

 private:
  // Tokens [B, N, width] and places of theirs, [N, axes].
  struct Tokens {
    at::Tensor x, places;
  };
  Tokens Picture(const at::Tensor& sample, int64_t behind) const;
  Tokens Prompt(const at::Tensor& text) const;
  at::Tensor Time(const at::Tensor& timestep) const;

  ZImageTransformerConfig config_;
  Rotary rotary_;
  Linear picture_in_;
  RmsNorm text_norm_;
  Linear text_in_;
  at::Tensor picture_pad_, text_pad_;  // [1, width]
  Linear time_in_, time_out_;
  std::vector<ZImageLayer> picture_refiners_, text_refiners_, layers_;
  Modulation out_modulation_;
  Linear out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_Z_IMAGE_TRANSFORMER_H_
