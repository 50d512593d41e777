// How a transformer's layers are told the noise level: normed tokens are scaled and shifted, and what a layer
// makes of them is let through by a gate, all by numbers that a linear layer makes of the told vector.
// Source: Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", sec. 3.2 (adaLN-Zero).
#ifndef MIND_WORKER_DIFFUSION_MODELS_MODULATION_H_
#define MIND_WORKER_DIFFUSION_MODELS_MODULATION_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// x [B, N, width], shift and scale [B, 1, width] → as x.
inline at::Tensor Modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return x * (1 + scale) + shift;
}

// Immutable after construction; any thread may call.
class Modulation {
 public:
  // Takes a linear layer from in to parts·width numbers.
  Modulation(const Scope& scope, int64_t in, int64_t width, int64_t parts, bool bias = true)
      : linear_(scope, in, parts * width, bias), parts_(parts) {}
  // told [B, in], before its SiLU → as many as there are parts, float [B, 1, width] each. What they mean, and
  // in which order, is the network's.
  std::vector<at::Tensor> operator()(const at::Tensor& told) const {
    return linear_(at::silu(told)).to(at::kFloat).unsqueeze(1).chunk(parts_, -1);
  }

 private:
  Linear linear_;
  int64_t parts_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_MODULATION_H_
