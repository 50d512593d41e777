#include "worker/diffusion/models/attention.h"

#include <torch/version.h>

#include <cmath>

namespace mind::diffusion {
namespace {

// [B, N, heads·d] → [B·heads, N, d]. Contiguous: batched products on strided operands fall off the fast path
// on CPU.
at::Tensor SplitHeads(const at::Tensor& x, int64_t heads) {
  const int64_t batch = x.size(0), length = x.size(1), width = x.size(2) / heads;
  return x.reshape({batch, length, heads, width})
      .transpose(1, 2)
      .reshape({batch * heads, length, width})
      .contiguous();
}

}  // namespace

at::Tensor MultiHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                              const at::Tensor& mask) {
  const int64_t batch = q.size(0), length = q.size(1), width = q.size(2) / heads;
#if TORCH_VERSION_MAJOR >= 2
  if (q.is_cuda()) {
    const auto split = [heads](const at::Tensor& x) {
      return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
    };
    const std::optional<at::Tensor> bias = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
    return at::scaled_dot_product_attention(split(q), split(k), split(v), bias)
        .transpose(1, 2)
        .reshape({batch, length, heads * width});
  }
#endif
  const at::Tensor keys = SplitHeads(k, heads).transpose(1, 2).contiguous();
  at::Tensor logits = at::bmm(SplitHeads(q, heads), keys).mul_(1.0 / std::sqrt(static_cast<double>(width)));
  if (mask.defined()) logits.add_(mask);
  return at::bmm(at::softmax(logits, -1), SplitHeads(v, heads))
      .reshape({batch, heads, length, width})
      .transpose(1, 2)
      .reshape({batch, length, heads * width});
}

CrossAttention::CrossAttention(const Scope& scope, int64_t width, int64_t context_width, int64_t heads)
    : heads_(heads),
      to_q_(scope / "to_q", width, width, /*bias=*/false),
      to_k_(scope / "to_k", context_width, width, /*bias=*/false),
      to_v_(scope / "to_v", context_width, width, /*bias=*/false),
      to_out_(scope / "to_out" / 0, width, width) {}

at::Tensor CrossAttention::operator()(const at::Tensor& x, const at::Tensor& context) const {
  return to_out_(MultiHeadAttention(to_q_(x), to_k_(context), to_v_(context), heads_));
}

}  // namespace mind::diffusion
