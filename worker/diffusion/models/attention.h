// Scaled dot-product attention, and the attention layers around it.
#ifndef MIND_WORKER_DIFFUSION_MODELS_ATTENTION_H_
#define MIND_WORKER_DIFFUSION_MODELS_ATTENTION_H_

#include <functional>

#include "worker/diffusion/models/layers.h"

namespace mind::diffusion {

// q [B, N, heads·d], k and v [B, M, heads·d] → [B, N, heads·d]. `mask`, if defined, is added to the logits:
// [N, M] or [B or 1, heads or 1, N or 1, M]. Vaswani et al. 2017, eq. 1. However many tokens there are, no
// more than a few thousand logits are held at a time, but where gradients are taken.
at::Tensor MultiHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                              const at::Tensor& mask = {});

// to_q, to_k, to_v without bias, to_out.0 with one. Self-attention where `context_width` equals `width` and
// the context is x itself. Source: diffusers models/attention_processor.py Attention.
class CrossAttention {
 public:
  CrossAttention(const Scope& scope, int64_t width, int64_t context_width, int64_t heads);
  // x [B, N, width], context [B, M, context_width] → [B, N, width]
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& context) const;
  // With what `more` makes of the queries [B, N, width] and their heads, before to_out.
  at::Tensor operator()(
      const at::Tensor& x, const at::Tensor& context,
      const std::function<at::Tensor(const at::Tensor& queries, int64_t heads)>& more) const;
  // What comes out where each token sees itself alone.
  at::Tensor Unmixed(const at::Tensor& x) const { return to_out_(to_v_(x)); }

 private:
  int64_t heads_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ATTENTION_H_
