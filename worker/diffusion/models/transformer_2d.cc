#include "worker/diffusion/models/transformer_2d.h"

namespace mind::diffusion {
namespace {

// Fixed in the reference, whatever norm_eps the UNet around it has.
constexpr double kNormEpsilon = 1e-6;
constexpr int64_t kFeedForwardFactor = 4;

}  // namespace

TransformerBlock::TransformerBlock(const Scope& scope, int64_t width, const Transformer2DOptions& options)
    : only_cross_attention_(options.only_cross_attention),
      gate_(options.gate),
      norm1_(scope / "norm1", width),
      norm2_(scope / "norm2", width),
      norm3_(scope / "norm3", width),
      attn1_(scope / "attn1", width, only_cross_attention_ ? options.context_width : width, options.heads),
      attn2_(scope / "attn2", width, options.context_width, options.heads),
      ff_in_(scope / "ff.net.0.proj", width, 2 * kFeedForwardFactor * width),
      ff_out_(scope / "ff.net.2", kFeedForwardFactor * width, width) {}

at::Tensor TransformerBlock::operator()(const at::Tensor& x, const at::Tensor& context) const {
  const at::Tensor first = norm1_(x);
  at::Tensor h = attn1_(first, only_cross_attention_ ? context : first) + x;
  h = attn2_(norm2_(h), context) + h;
  const auto value_gate = ff_in_(norm3_(h)).chunk(2, -1);
  return ff_out_(value_gate[0] * Activate(gate_, value_gate[1])) + h;
}

Transformer2D::Transformer2D(const Scope& scope, int64_t channels, const Transformer2DOptions& options)
    : norm_(scope / "norm", options.groups, channels, kNormEpsilon) {
  if (options.linear_projection) {
    linear_in_.emplace(scope / "proj_in", channels, channels);
    linear_out_.emplace(scope / "proj_out", channels, channels);
  } else {
    conv_in_.emplace(scope / "proj_in", channels, channels, k1x1);
    conv_out_.emplace(scope / "proj_out", channels, channels, k1x1);
  }
  for (int64_t i = 0; i < options.layers; ++i) {
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), channels, options);
  }
}

at::Tensor Transformer2D::operator()(const at::Tensor& x, const at::Tensor& context) const {
  const auto to_tokens = [](const at::Tensor& map) { return map.flatten(2).transpose(1, 2); };
  const auto to_map = [&x](const at::Tensor& tokens) { return tokens.transpose(1, 2).reshape(x.sizes()); };
  at::Tensor h = norm_(x);
  h = linear_in_ ? (*linear_in_)(to_tokens(h)) : to_tokens((*conv_in_)(h));
  for (const TransformerBlock& block : blocks_) h = block(h, context);
  return x + (linear_out_ ? to_map((*linear_out_)(h)) : (*conv_out_)(to_map(h)));
}

}  // namespace mind::diffusion
