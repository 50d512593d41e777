// What stands after a residual block in a level with attention: something that lets the pixels of a feature
// map, and the prompt, look at each other.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SPATIAL_MIXER_H_
#define MIND_WORKER_DIFFUSION_MODELS_SPATIAL_MIXER_H_

#include <ATen/ATen.h>

#include "worker/diffusion/models/signals.h"

namespace mind::diffusion {

class SpatialMixer {
 public:
  virtual ~SpatialMixer() = default;
  // x [B, C, H, W] → [B, C, H, W]
  virtual at::Tensor operator()(const at::Tensor& x, const Signals& signals) const = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SPATIAL_MIXER_H_
