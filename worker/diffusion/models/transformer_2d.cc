#include "worker/diffusion/models/transformer_2d.h"

#include "worker/diffusion/models/cpu_kernels.h"
#include "worker/diffusion/models/in_place.h"
#include "worker/diffusion/models/perturbation.h"
#include "worker/diffusion/models/picture_prompt.h"

namespace mind::diffusion {
namespace {

// Fixed in the reference, whatever norm_eps the UNet around it has.
constexpr double kNormEpsilon = 1e-6;
constexpr int64_t kFeedForwardFactor = 4;

}  // namespace

TransformerBlock::TransformerBlock(const Scope& scope, int64_t width, const Transformer2DOptions& options)
    : path_(options.path),
      only_cross_attention_(options.only_cross_attention),
      gate_(options.gate),
      norm1_(scope / "norm1", width),
      norm2_(scope / "norm2", width),
      norm3_(scope / "norm3", width),
      attn1_(scope / "attn1", width, only_cross_attention_ ? options.context_width : width, options.heads),
      attn2_(scope / "attn2", width, options.context_width, options.heads),
      ff_in_(scope / "ff.net.0.proj", width, 2 * kFeedForwardFactor * width),
      ff_out_(scope / "ff.net.2", kFeedForwardFactor * width, width) {}

at::Tensor TransformerBlock::operator()(const at::Tensor& x, const Signals& signals) const {
  const at::Tensor first = norm1_(x);
  const bool unmixed = signals.perturbation != nullptr && signals.perturbation->Has(path_);
  const at::Tensor mixed =
      unmixed ? attn1_.Unmixed(first) : attn1_(first, only_cross_attention_ ? signals.context : first);
  at::Tensor h = Plus(mixed, x);
  h = Plus(SeePrompts(norm2_(h), signals), h);
  return Plus(ff_out_(Gated(ff_in_(norm3_(h)))), h);
}

at::Tensor TransformerBlock::Gated(const at::Tensor& value_gate) const {
  if (gate_ == Activation::kGelu && HasCpuKernels(value_gate)) return GeluGateOnCpu(value_gate);
  const auto halves = value_gate.chunk(2, -1);
  return halves[0] * Activate(gate_, halves[1]);
}

at::Tensor TransformerBlock::SeePrompts(const at::Tensor& x, const Signals& signals) const {
  if (signals.picture_prompts == nullptr || signals.picture_prompts->empty())
    return attn2_(x, signals.context);
  return attn2_(x, signals.context, [&](const at::Tensor& queries, int64_t heads) {
    at::Tensor sum = at::zeros_like(queries);
    for (const PicturePrompt& prompt : *signals.picture_prompts)
      sum = sum + prompt.prompter->Added(path_, queries, heads, prompt);
    return sum;
  });
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
    Transformer2DOptions own = options;
    own.path += ".transformer_blocks." + std::to_string(i);
    blocks_.emplace_back(scope / "transformer_blocks" / static_cast<size_t>(i), channels, own);
  }
}

at::Tensor Transformer2D::operator()(const at::Tensor& x, const Signals& signals) const {
  const auto to_tokens = [](const at::Tensor& map) { return map.flatten(2).transpose(1, 2); };
  const auto to_map = [&x](const at::Tensor& tokens) { return tokens.transpose(1, 2).reshape(x.sizes()); };
  at::Tensor h = norm_(x);
  h = linear_in_ ? (*linear_in_)(to_tokens(h)) : to_tokens((*conv_in_)(h));
  for (const TransformerBlock& block : blocks_) h = block(h, signals);
  return x + (linear_out_ ? to_map((*linear_out_)(h)) : (*conv_out_)(to_map(h)));
}

}  // namespace mind::diffusion
