#include "worker/diffusion/models/rms_norm.h"

namespace mind::diffusion {

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const at::Tensor in = x.to(at::kFloat);
  return in * at::rsqrt(in.square().mean(-1, /*keepdim=*/true) + epsilon_) * weight_.to(at::kFloat);
}

}  // namespace mind::diffusion
