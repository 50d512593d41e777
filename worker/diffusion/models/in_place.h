// Sums that take no memory of their own where nobody looks at what they are made of.
#ifndef MIND_WORKER_DIFFUSION_MODELS_IN_PLACE_H_
#define MIND_WORKER_DIFFUSION_MODELS_IN_PLACE_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// fresh + x, of x's shape or what spreads to fresh's. REQUIRES: nobody else holds `fresh`, which a layer has
// just made.
inline at::Tensor Plus(const at::Tensor& fresh, const at::Tensor& x) {
  // Where gradients are taken, or types differ (autocast), the sum is a tensor of its own.
  const bool in_place = !at::GradMode::is_enabled() && fresh.scalar_type() == x.scalar_type();
  return in_place ? fresh.add_(x) : fresh + x;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_IN_PLACE_H_
