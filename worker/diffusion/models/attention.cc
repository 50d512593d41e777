#include "worker/diffusion/models/attention.h"

#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

// Below which a matrix product is little better than a loop.
constexpr int64_t kLeastQueries = 16;

// [B, N, heads·d] → [B·heads, N, d]. Contiguous: batched products on strided operands fall off the fast path
// on CPU.
at::Tensor SplitHeads(const at::Tensor& x, int64_t heads) {
  const int64_t batch = x.size(0), length = x.size(1), width = x.size(2) / heads;
  return x.reshape({batch, length, heads, width})
      .transpose(1, 2)
      .reshape({batch * heads, length, width})
      .contiguous();
}

// The logits of a few heads and queries at a time, in memory that stays in the cache: as a whole they may be
// gigabytes, mapped anew for each call, and the softmax' as many again. Rows of a softmax do not depend on
// each other, so the numbers are those of one piece but for the rounding of matrix products of another shape.
// The blocks depend on lengths alone, never on the number of rows, so a row's numbers do not either.
at::Tensor InBlocks(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                    const at::Tensor& mask) {
  const int64_t batch = q.size(0), length = q.size(1), keys = k.size(1), width = q.size(2) / heads;
  const at::Tensor queries = SplitHeads(q, heads) * (1.0 / std::sqrt(static_cast<double>(width)));
  const at::Tensor transposed = SplitHeads(k, heads).transpose(1, 2).contiguous();
  const at::Tensor values = SplitHeads(v, heads);
  const at::Tensor bias = mask.defined() ? mask.expand({batch, heads, length, keys}) : mask;
  const int64_t row_bytes = keys * static_cast<int64_t>(q.element_size());
  const int64_t rows = std::min(std::max(kAttentionBytes / row_bytes, kLeastQueries), length);
  const int64_t together = std::clamp<int64_t>(kAttentionBytes / (row_bytes * rows), 1, heads);
  at::Tensor out = at::empty_like(queries);
  for (int64_t row = 0; row < batch; ++row) {
    for (int64_t head = 0; head < heads; head += together) {
      const int64_t first = row * heads + head, count = std::min(together, heads - head);
      for (int64_t n = 0; n < length; n += rows) {
        const int64_t some = std::min(rows, length - n);
        at::Tensor logits =
            at::bmm(queries.narrow(0, first, count).narrow(1, n, some), transposed.narrow(0, first, count));
        if (bias.defined()) logits.add_(bias[row].narrow(0, head, count).narrow(1, n, some));
        out.narrow(0, first, count)
            .narrow(1, n, some)
            .copy_(at::bmm(at::softmax(logits, -1), values.narrow(0, first, count)));
      }
    }
  }
  return out.reshape({batch, heads, length, width}).transpose(1, 2).reshape({batch, length, heads * width});
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
  if (q.scalar_type() == at::kFloat) return InBlocks(q, k, v, heads, mask);
  // Logits and softmax in float32, as CUDA's fused kernels have them.
  const auto whole = [](const at::Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; };
  return InBlocks(whole(q), whole(k), whole(v), heads, whole(mask)).to(q.scalar_type());
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
