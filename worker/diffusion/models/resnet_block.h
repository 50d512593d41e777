// The residual block of UNets and autoencoders.
#ifndef MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_
#define MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_

#include <optional>

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

struct ResnetOptions {
  int64_t groups = 32;
  double epsilon = 1e-6;
  int64_t time_width = 0;  // 0: no time embedding (autoencoders)
  bool scale_shift =
      false;  // the embedding scales and shifts the second norm instead of being added before it
  double output_scale = 1;  // the sum is divided by this
};

// norm1, SiLU, conv1, + time, norm2, SiLU, conv2, + shortcut. Source: diffusers models/resnet.py
// ResnetBlock2D.
class ResnetBlock {
 public:
  ResnetBlock(const Scope& scope, int64_t in, int64_t out, const ResnetOptions& options);

  // x [B, in, H, W]; time [B, time_width], undefined where there is none → [B, out, H, W]
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& time) const;

 private:
  ResnetOptions options_;
  GroupNorm norm1_;
  Conv2d conv1_;
  std::optional<Linear> time_projection_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> shortcut_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_RESNET_BLOCK_H_
