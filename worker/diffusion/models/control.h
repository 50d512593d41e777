// What networks beside a UNet add inside it.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CONTROL_H_
#define MIND_WORKER_DIFFUSION_MODELS_CONTROL_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/models/denoiser.h"

namespace mind::diffusion {

// Where nothing is added, undefined or empty.
struct Additions {
  std::vector<at::Tensor> skips;     // [B, C, h, w] or [B, C, 1, 1], to the skip connections, finest first
  at::Tensor middle;                 // likewise, to what the middle makes
  std::vector<at::Tensor> features;  // to what the levels make on the way down; one more: behind the middle
};

// A network that is asked in every step, since it sees x. Immutable after construction; any thread may call.
class ControlNetwork {
 public:
  virtual ~ControlNetwork() = default;
  // `control`: of a batch; maps are float [B, 3, H, W], and the weight is left to the caller, but for that of
  // several pictures.
  virtual Additions operator()(const DenoiserInput& input, const Control& control) const = 0;
};

// All that the controls of an input add, each by its weight.
Additions AdditionsOf(const DenoiserInput& input);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CONTROL_H_
