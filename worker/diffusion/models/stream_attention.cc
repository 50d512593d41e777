#include "worker/diffusion/models/stream_attention.h"

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {

AttentionStream::AttentionStream(const Scope& scope, const Names& names, const Shape& shape)
    : shape_(shape),
      q_(scope / names.q, shape.width, shape.heads * shape.head_width, shape.bias),
      k_(scope / names.k, shape.width, shape.heads * shape.head_width, shape.bias),
      v_(scope / names.v, shape.width, shape.heads * shape.head_width, shape.bias) {
  if (shape.normed) {
    norm_q_.emplace(scope / names.norm_q, shape.head_width, shape.epsilon);
    norm_k_.emplace(scope / names.norm_k, shape.head_width, shape.epsilon);
  }
  if (shape.out) out_.emplace(scope / names.out, shape.heads * shape.head_width, shape.width, shape.out_bias);
}

Projected AttentionStream::operator()(const at::Tensor& x) const {
  const auto heads = [this](const at::Tensor& y) {
    return y.unflatten(-1, {shape_.heads, shape_.head_width});
  };
  Projected tokens{heads(q_(x)), heads(k_(x)), heads(v_(x))};
  if (shape_.normed) {
    tokens.q = (*norm_q_)(tokens.q);
    tokens.k = (*norm_k_)(tokens.k);
  }
  return tokens;
}

Projected Joined(const std::vector<Projected>& streams) {
  std::vector<at::Tensor> q, k, v;
  for (const Projected& stream : streams) {
    q.push_back(stream.q);
    k.push_back(stream.k);
    v.push_back(stream.v);
  }
  return {at::cat(q, 1), at::cat(k, 1), at::cat(v, 1)};
}

at::Tensor Seen(const Projected& tokens, const std::optional<Rotation>& rotation, const at::Tensor& mask) {
  const auto flat = [&](const at::Tensor& x) {
    return (rotation ? Rotated(x, *rotation) : x).to(tokens.v.scalar_type()).flatten(2);
  };
  return MultiHeadAttention(flat(tokens.q), flat(tokens.k), tokens.v.flatten(2), tokens.v.size(2), mask);
}

}  // namespace mind::diffusion
