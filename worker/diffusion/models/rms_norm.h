// Normalisation by the root of the mean square, without a mean and without a bias.
// Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4.
#ifndef MIND_WORKER_DIFFUSION_MODELS_RMS_NORM_H_
#define MIND_WORKER_DIFFUSION_MODELS_RMS_NORM_H_

#include <ATen/ATen.h>

#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class RmsNorm {
 public:
  RmsNorm(const Scope& scope, int64_t width, double epsilon)
      : weight_(scope.Take("weight", {width})), epsilon_(epsilon) {}
  // [.., width] of any type → float, the same shape.
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_;
  double epsilon_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_RMS_NORM_H_
