// The spatial transformer of latent diffusion: pixels attend to each other, then to the prompt.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_2D_H_
#define MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_2D_H_

#include <optional>
#include <string>
#include <vector>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/spatial_mixer.h"

namespace mind::diffusion {

struct Transformer2DOptions {
  std::string path;  // of the module in its UNet, by which its layers are named (models/transformer_paths.h)
  int64_t heads = 8;
  int64_t layers = 1;
  int64_t context_width = 768;
  int64_t groups = 32;
  bool linear_projection = false;       // in and out by a linear layer (SD 2.x) instead of a 1×1 convolution
  Activation gate = Activation::kGelu;  // of the feed-forward layers; MindSpore's is the tanh form
  bool only_cross_attention = false;    // the first attention looks at the prompt too (the x4 upscaler)
};

// norm1 attn1, norm2 attn2, norm3 GEGLU, each with a residual.
// Source: diffusers models/attention.py BasicTransformerBlock; GEGLU: Shazeer 2020, eq. 6.
class TransformerBlock {
 public:
  TransformerBlock(const Scope& scope, int64_t width, const Transformer2DOptions& options);
  // x [B, N, width], the signals' context [B, M, context_width] → [B, N, width]
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const;

 private:
  // Values times what the activation makes of their gates, [.., 2·width] → [.., width].
  at::Tensor Gated(const at::Tensor& value_gate) const;
  // The text, and pictures beside it.
  at::Tensor SeePrompts(const at::Tensor& x, const Signals& signals) const;

  std::string path_;
  bool only_cross_attention_;
  Activation gate_;
  LayerNorm norm1_, norm2_, norm3_;
  CrossAttention attn1_, attn2_;
  Linear ff_in_, ff_out_;
};

// Source: diffusers models/transformers/transformer_2d.py Transformer2DModel; Rombach et al. 2022, sec. 3.3.
class Transformer2D : public SpatialMixer {
 public:
  Transformer2D(const Scope& scope, int64_t channels, const Transformer2DOptions& options);
  // Sees the whole context: no network of this kind is told a mask of it.
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const override;

 private:
  GroupNorm norm_;
  std::optional<Linear> linear_in_, linear_out_;
  std::optional<Conv2d> conv_in_, conv_out_;
  std::vector<TransformerBlock> blocks_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_2D_H_
