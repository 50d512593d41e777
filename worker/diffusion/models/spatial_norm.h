// The norm of MoVQ's decoder, which looks at what is decoded. Zheng et al. 2022, "MoVQ: Modulating Quantized
// Vectors for High-Fidelity Image Generation", sec. 3.2.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SPATIAL_NORM_H_
#define MIND_WORKER_DIFFUSION_MODELS_SPATIAL_NORM_H_

#include <optional>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/signals.h"

namespace mind::diffusion {

// norm(x)·conv_y(z) + conv_b(z), with z the latents at x's size by nearest neighbours and always 32 groups.
// Source: diffusers models/attention_processor.py SpatialNorm.
class SpatialNorm {
 public:
  // `latent_channels`: of z. Throws ModelError where 32 does not divide `channels`.
  SpatialNorm(const Scope& scope, int64_t channels, int64_t latent_channels);
  // x [B, channels, H, W], latents [B, latent_channels, h, w] → x's shape
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& latents) const;

 private:
  GroupNorm norm_;
  Conv2d scale_, shift_;
};

// The norm of a block: a GroupNorm, or, where the blocks are a decoder's that look at latents, a SpatialNorm.
class BlockNorm {
 public:
  // `latent_channels`: 0: a GroupNorm, whose groups and epsilon are the next two.
  BlockNorm(const Scope& scope, int64_t channels, int64_t latent_channels, int64_t groups, double epsilon);
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const {
    return spatial_ ? (*spatial_)(x, signals.latents) : (*plain_)(x);
  }
  // As GroupNorm's.
  at::Tensor Activated(const at::Tensor& x, const Signals& signals, Activation activation) const {
    return spatial_ ? Activate(activation, (*this)(x, signals)) : plain_->Activated(x, activation);
  }
  at::Tensor Modulated(const at::Tensor& x, const Signals& signals, const at::Tensor& scale,
                       const at::Tensor& shift, Activation activation) const;

 private:
  std::optional<GroupNorm> plain_;
  std::optional<SpatialNorm> spatial_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SPATIAL_NORM_H_
