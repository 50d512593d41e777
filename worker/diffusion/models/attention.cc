#include "worker/diffusion/models/attention.h"

#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <cmath>

#include "worker/diffusion/models/cpu_kernels.h"

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

// For training, whose gradients need the whole in any case.
at::Tensor InOnePiece(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                      const at::Tensor& mask) {
  const int64_t batch = q.size(0), length = q.size(1), keys = k.size(1), width = q.size(2) / heads;
  at::Tensor logits = at::bmm(SplitHeads(q, heads), SplitHeads(k, heads).transpose(1, 2).contiguous())
                          .mul_(1.0 / std::sqrt(static_cast<double>(width)));
  if (mask.defined()) logits = logits.view({batch, heads, length, keys}).add(mask).flatten(0, 1);
  return at::bmm(at::softmax(logits, -1), SplitHeads(v, heads))
      .reshape({batch, heads, length, width})
      .transpose(1, 2)
      .reshape({batch, length, heads * width});
}

}  // namespace

at::Tensor MultiHeadAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                              const at::Tensor& mask) {
#if TORCH_VERSION_MAJOR >= 2
  if (q.is_cuda()) {
    const auto split = [heads](const at::Tensor& x) {
      return x.reshape({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
    };
    // A tensor becomes whichever optional this LibTorch wants: c10's before 2.2, the standard's since.
    const at::Tensor mixed = mask.defined() ? at::scaled_dot_product_attention(split(q), split(k), split(v),
                                                                               mask.to(q.scalar_type()))
                                            : at::scaled_dot_product_attention(split(q), split(k), split(v));
    return mixed.transpose(1, 2).reshape(q.sizes());
  }
#endif
  const bool trains =
      c10::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  if (trains) return InOnePiece(q, k, v, heads, mask);
  if (q.scalar_type() == at::kFloat) return AttendOnCpu(q, k, v, heads, mask);
  // Logits and softmax in float32, as CUDA's fused kernels have them.
  const auto whole = [](const at::Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; };
  return AttendOnCpu(whole(q), whole(k), whole(v), heads, whole(mask)).to(q.scalar_type());
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

at::Tensor CrossAttention::operator()(
    const at::Tensor& x, const at::Tensor& context,
    const std::function<at::Tensor(const at::Tensor& queries, int64_t heads)>& more) const {
  const at::Tensor queries = to_q_(x);
  return to_out_(MultiHeadAttention(queries, to_k_(context), to_v_(context), heads_) + more(queries, heads_));
}

}  // namespace mind::diffusion
