// The network inside a diffusion model, as the engine sees it: rows in, predictions out.
#ifndef MIND_WORKER_DIFFUSION_MODELS_DENOISER_H_
#define MIND_WORKER_DIFFUSION_MODELS_DENOISER_H_

#include <ATen/ATen.h>

#include "worker/diffusion/models/told.h"

namespace mind::diffusion {

// One batch for a denoiser. Rows are independent of each other.
struct DenoiserInput {
  at::Tensor sample;    // float [B, C, H, W], scaled as the sampler says
  at::Tensor timestep;  // float [B], in training steps (0 … 999 for most models); fractions allowed
  Told told;            // of all rows
};

// Immutable after construction; any thread may call, several at once.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  // → float [B, C', H, W]: noise, x0 or velocity as the model was trained to predict. Runs under the caller's
  // inference mode.
  virtual at::Tensor operator()(const DenoiserInput& input) const = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_DENOISER_H_
