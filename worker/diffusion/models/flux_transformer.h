// FLUX.1's network: a transformer over a prompt's tokens and a picture's, first in two streams, then in one.
// Sources: black-forest-labs/flux src/flux/{model,modules/layers}.py; diffusers
// models/transformers/transformer_flux.py; Esser et al. 2024, sec. 4.
#ifndef MIND_WORKER_DIFFUSION_MODELS_FLUX_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_FLUX_TRANSFORMER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/stream_attention.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct FluxConfig {
  int64_t in_channels = 64;  // of a token: a patch of x and of what is shown beside it
  int64_t out_channels = 64;
  int64_t layers = 19, single_layers = 38;
  int64_t heads = 24, head_width = 128;
  int64_t text_width = 4096;
  int64_t pooled_width = 768;
  bool guided = false;                       // is told the guidance scale
  std::vector<int64_t> axes = {16, 56, 56};  // of a head's numbers, those turned by picture, row and column

  // Latents of a patch, each way.
  static constexpr int64_t kPatch = 2;

  int64_t width() const { return heads * head_width; }
  // Of latents; of what is shown beside them.
  int64_t latent_channels() const { return out_channels / (kPatch * kPatch); }
  int64_t channels_beside() const { return (in_channels - out_channels) / (kPatch * kPatch); }

  // transformer/config.json of FluxTransformer2DModel. Throws ModelError.
  static FluxConfig From(const Config& config);
};

// How a network of FLUX's make is told the guidance scale: float [256].
at::Tensor FluxGuidance(double guidance);

// A layer wide, GELU's tanh form, and back.
class FluxMlp {
 public:
  FluxMlp(const Scope& scope, int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear in_, out_;
};

// Two streams, each with weights of its own, that meet in the attention.
class FluxDoubleBlock {
 public:
  FluxDoubleBlock(const Scope& scope, const FluxConfig& config);
  // picture [B, N, width] and text [B, M, width] are changed; told [B, width]; the rotation is of the text's
  // tokens, then the picture's.
  void operator()(at::Tensor& picture, at::Tensor& text, const at::Tensor& told,
                  const Rotation& rotation) const;

 private:
  struct Stream {
    Stream(const Scope& scope, const FluxConfig& config, bool main);
    Modulation modulation;  // shift, scale, gate of the attention; then of the layers behind it
    AttentionStream attention;
    FluxMlp mlp;
  };
  static at::Tensor Behind(const Stream& stream, const at::Tensor& x, const at::Tensor& seen,
                           const std::vector<at::Tensor>& m);

  Stream picture_, text_;
};

// Attention and wide layer side by side, of one stream.
class FluxSingleBlock {
 public:
  FluxSingleBlock(const Scope& scope, const FluxConfig& config);
  // x [B, M + N, width], told [B, width] → as x
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& told, const Rotation& rotation) const;

 private:
  Modulation modulation_;  // shift, scale, gate
  AttentionStream attention_;
  Linear mlp_, out_;
};

// Told kText [B, M, text_width], kPooled [B, pooled_width]; kGuidance [B, 256] (FluxGuidance) if it is
// guided; kChannels where it takes more channels than it makes (Fill); and kReference [B, R, in_channels]
// with kReferencePlaces [B, R, 3] or neither (Kontext). x has an even height and width. Tokens go through in
// float32 whatever the layers compute in: they grow beyond what sixteen bits hold. Immutable after
// construction; any thread may call.
class FluxTransformer : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  FluxTransformer(const Scope& scope, const FluxConfig& config);

  at::Tensor operator()(const DenoiserInput& input) const override;

  // What all layers are told, [B, width]: timestep float [B] in training steps, the rest as above.
  at::Tensor Vector(const at::Tensor& timestep, const at::Tensor& pooled, const at::Tensor& guidance) const;
  // Tokens [B, N, in_channels] at `places` [N, 3] or [B, N, 3], the text's at the origin → float [B, N,
  // out_channels].
  at::Tensor OfTokens(const at::Tensor& tokens, const at::Tensor& places, const at::Tensor& text,
                      const at::Tensor& vector) const;

  const FluxConfig& config() const { return config_; }

 private:
  FluxConfig config_;
  Rotary rotary_;
  Linear picture_in_, text_in_;
  TimestepMlp time_in_, pooled_in_;
  std::optional<TimestepMlp> guidance_in_;
  std::vector<FluxDoubleBlock> blocks_;
  std::vector<FluxSingleBlock> single_blocks_;
  Modulation modulation_out_;  // scale, shift
  Linear out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_FLUX_TRANSFORMER_H_
