// The residual block of UNets and autoencoders.
#ifndef MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_
#define MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_

#include <optional>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/resample.h"
#include "worker/diffusion/models/signals.h"
#include "worker/diffusion/models/spatial_norm.h"

namespace mind::diffusion {

enum class Resizing { kNone, kHalve, kDouble };

struct ResnetOptions {
  int64_t groups = 32;     // of the norms; 0: a quarter of the channels each has, at most 32
  int64_t groups_out = 0;  // of the second norm, where it differs
  double epsilon = 1e-6;
  int64_t time_width = 0;  // 0: no time embedding (autoencoders)
  // The embedding scales and shifts the second norm instead of being added before it.
  bool scale_shift = false;
  bool activated_time = false;  // the embedding comes activated
  double output_scale = 1;      // the sum is divided by this
  Activation activation = Activation::kSilu;
  int64_t class_count = 0;  // 0: no bias of the class beside that of the time
  Resizing resizing = Resizing::kNone;
  Filter filter = Filter::kBox;  // by which it resizes
  bool shortcut = false;         // a 1×1 convolution beside the block even where in equals out
  int64_t latent_channels = 0;   // of the latents that the norms look at (SpatialNorm); 0: at none
};

// norm1, act, (resize), conv1, + time, norm2, act, (dropout in training), conv2, + shortcut. Source:
// diffusers models/resnet.py ResnetBlock2D; the class bias: abarankab/DDPM ddpm/unet.py ResidualBlock.
class ResnetBlock {
 public:
  ResnetBlock(const Scope& scope, int64_t in, int64_t out, const ResnetOptions& options);

  // x [B, in, H, W] → [B, out, H', W']
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const;

 private:
  at::Tensor Resized(const at::Tensor& x) const;

  ResnetOptions options_;
  BlockNorm norm1_;
  Conv2d conv1_;
  std::optional<Linear> time_projection_;
  std::optional<Embedding> class_bias_;
  BlockNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> shortcut_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_
