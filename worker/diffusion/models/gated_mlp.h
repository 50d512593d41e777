// A feed-forward layer whose inner numbers are gated: out(activation(gate(x)) · in(x)).
// Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 6.
#ifndef MIND_WORKER_DIFFUSION_MODELS_GATED_MLP_H_
#define MIND_WORKER_DIFFUSION_MODELS_GATED_MLP_H_

#include <ATen/ATen.h>

#include <string>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class GatedMlp {
 public:
  // What a network calls the three layers.
  struct Names {
    std::string gate, in, out;
  };

  GatedMlp(const Scope& scope, int64_t width, int64_t inner, const Names& names, Activation activation,
           bool bias = false)
      : gate_(scope / names.gate, width, inner, bias),
        in_(scope / names.in, width, inner, bias),
        out_(scope / names.out, inner, width, bias),
        activation_(activation) {}
  // [.., width] → float, the same shape.
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear gate_, in_, out_;
  Activation activation_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_GATED_MLP_H_
