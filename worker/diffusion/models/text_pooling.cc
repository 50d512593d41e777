#include "worker/diffusion/models/text_pooling.h"

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {

TextPooling::TextPooling(const Scope& scope, int64_t text_width, int64_t out_width, int64_t heads)
    : heads_(heads),
      norm1_(scope / "norm1", text_width),
      positional_((scope / "pool").Take("positional_embedding", {1, text_width})),
      q_(scope / "pool.q_proj", text_width, text_width),
      k_(scope / "pool.k_proj", text_width, text_width),
      v_(scope / "pool.v_proj", text_width, text_width),
      projection_(scope / "proj", text_width, out_width),
      norm2_(scope / "norm2", out_width) {}

at::Tensor TextPooling::operator()(const at::Tensor& text) const {
  const at::Tensor tokens = norm1_(text);
  const at::Tensor query = tokens.mean(1, /*keepdim=*/true) + positional_;
  const at::Tensor all = at::cat({query, tokens}, 1);
  const at::Tensor pooled = MultiHeadAttention(q_(query), k_(all), v_(all), heads_).squeeze(1);
  return norm2_(projection_(pooled));
}

}  // namespace mind::diffusion
