#include "worker/diffusion/models/gated_mlp.h"

namespace mind::diffusion {
namespace {

// In float16, whose largest number these layers pass in large language models (T5's among others): the last
// one is given so much less, and its answer made larger by as much in float32. A power of two, so that
// nothing is rounded.
constexpr double kSmallerInHalf = 1.0 / 64;

}  // namespace

at::Tensor GatedMlp::operator()(const at::Tensor& x) const {
  const at::Tensor h = Activate(activation_, gate_(x)) * in_(x);
  if (h.scalar_type() != at::kHalf) return out_(h).to(at::kFloat);
  return out_(h * kSmallerInHalf).to(at::kFloat) / kSmallerInHalf;
}

}  // namespace mind::diffusion
