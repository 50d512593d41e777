// Halving and doubling the resolution between the levels of a UNet or autoencoder.
#ifndef MIND_WORKER_DIFFUSION_MODELS_RESAMPLE_H_
#define MIND_WORKER_DIFFUSION_MODELS_RESAMPLE_H_

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// A strided convolution. `padding` 0 pads one row and column at the far edges only, as the original DDPM code
// ("same" padding in TensorFlow) and the autoencoders do. Source: diffusers models/downsampling.py
// Downsample2D.
class Downsample {
 public:
  Downsample(const Scope& scope, int64_t channels, int64_t padding);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Conv2d conv_;
  bool far_edge_;
};

// Nearest neighbour to an explicit size, then a convolution. Source: diffusers models/upsampling.py
// Upsample2D.
class Upsample {
 public:
  Upsample(const Scope& scope, int64_t channels);
  // Sizes that are not multiples of 2^levels make the skip connection's size, not twice ours, the one to
  // meet.
  at::Tensor operator()(const at::Tensor& x, at::IntArrayRef size) const;
  at::Tensor operator()(const at::Tensor& x) const { return (*this)(x, {x.size(-2) * 2, x.size(-1) * 2}); }

 private:
  Conv2d conv_;
};

// Without parameters: by averages of 2×2 and nearest neighbours, or by a 4×4 binomial filter (1, 3, 3, 1)
// that keeps high frequencies from folding over (Zhang 2019; score-SDE's "fir").
enum class Filter { kBox, kBinomial };

// [B, C, H, W] → [B, C, H/2, W/2] and [B, C, 2H, 2W]. Source: diffusers downsampling.py downsample_2d,
// upsampling.py upsample_2d, upfirdn2d_native.
at::Tensor Halved(const at::Tensor& x, Filter filter);
at::Tensor Doubled(const at::Tensor& x, Filter filter);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_RESAMPLE_H_
