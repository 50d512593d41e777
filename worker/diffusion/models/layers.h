// The parametrised layers every network here is built from: each takes its tensors from a Scope under the
// names that PyTorch modules give them ("weight", "bias") and is an immutable function afterwards, callable
// from any thread.
#ifndef MIND_WORKER_DIFFUSION_MODELS_LAYERS_H_
#define MIND_WORKER_DIFFUSION_MODELS_LAYERS_H_

#include <ATen/ATen.h>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// x in the type that a layer with this weight computes in. Weights in float32 take x as it comes: in
// training, autocast decides there.
at::Tensor InTypeOf(const at::Tensor& weight, const at::Tensor& x);

// [.., in] → [.., out]
class Linear {
 public:
  Linear(const Scope& scope, int64_t in, int64_t out, bool bias = true);
  at::Tensor operator()(const at::Tensor& given) const;

 private:
  at::Tensor weight_, bias_;
};

struct ConvShape {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 1;
};
inline constexpr ConvShape k1x1{.kernel = 1, .stride = 1, .padding = 0};

// [B, in, H, W] → [B, out, H', W']
class Conv2d {
 public:
  Conv2d(const Scope& scope, int64_t in, int64_t out, ConvShape shape = {});
  at::Tensor operator()(const at::Tensor& given) const;

 private:
  at::Tensor weight_, bias_;
  ConvShape shape_;
};

// [B, C, ..] → the same shape. Mean and variance are taken in float32, whatever the type of x. C must be a
// multiple of `groups`: ModelError otherwise.
class GroupNorm {
 public:
  GroupNorm(const Scope& scope, int64_t groups, int64_t channels, double epsilon);
  at::Tensor operator()(const at::Tensor& x) const;
  // What the activation makes of it; of SiLU in one pass, where there is a kernel.
  at::Tensor Activated(const at::Tensor& x, Activation activation) const;
  // The same of norm(x)·(1 + scale) + shift, with scale and shift [B, C]. REQUIRES: x is [B, C, H, W]
  at::Tensor Modulated(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                       Activation activation) const;

 private:
  at::Tensor weight_, bias_;
  int64_t groups_;
  double epsilon_;
};

// Over the last dimension; the statistics as GroupNorm's.
class LayerNorm {
 public:
  LayerNorm(const Scope& scope, int64_t width, double epsilon = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  double epsilon_;
};

// Without parameters of its own.
at::Tensor LayerNormed(const at::Tensor& x, double epsilon);

// int64 [..] in [0, count) → [.., width]
class Embedding {
 public:
  Embedding(const Scope& scope, int64_t count, int64_t width);
  at::Tensor operator()(const at::Tensor& ids) const;

 private:
  at::Tensor weight_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_LAYERS_H_
