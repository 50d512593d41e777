#include "worker/diffusion/models/picture_resampler.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kHeadWidth = 64;  // of every published file

// The shape of a tensor of so many dimensions that must be there.
at::IntArrayRef ShapeOf(const NamedTensors& stored, const std::string& name, size_t dimensions) {
  const auto found = stored.tensors.find(name);
  if (found == stored.tensors.end() || found->second.sizes().size() != dimensions)
    throw ModelError(name + ": missing, or not of " + std::to_string(dimensions) + " dimensions");
  return found->second.sizes();
}

}  // namespace

PictureResampler::PictureResampler(const Scope& scope, const NamedTensors& stored, const std::string& prefix,
                                   int64_t states)
    : width_(ShapeOf(stored, prefix + "norm_out.weight", 1)[0]),
      tokens_(scope.Take("latents", ShapeOf(stored, prefix + "latents", 3))),
      in_(scope / "proj_in", states, tokens_.size(2)),
      out_(scope / "proj_out", tokens_.size(2), width_),
      norm_out_(scope / "norm_out", width_) {
  const int64_t inner = tokens_.size(2);
  const auto name = [&](size_t layer, const char* rest) {
    return prefix + "layers." + std::to_string(layer) + rest;
  };
  for (size_t i = 0; stored.Has(name(i, ".0.to_q.weight")); ++i) {
    const int64_t queries = ShapeOf(stored, name(i, ".0.to_q.weight"), 2)[0];
    const int64_t feed_forward = ShapeOf(stored, name(i, ".1.1.weight"), 2)[0];
    if (queries % kHeadWidth != 0)
      throw ModelError(name(i, ".0.to_q.weight") + ": its rows are not heads of " +
                       std::to_string(kHeadWidth));
    const Scope attention = scope / "layers" / i / 0, forward = scope / "layers" / i / 1;
    layers_.push_back({LayerNorm(attention / "norm1", inner), LayerNorm(attention / "norm2", inner),
                       Linear(attention / "to_q", inner, queries, /*bias=*/false),
                       Linear(attention / "to_kv", inner, 2 * queries, /*bias=*/false),
                       Linear(attention / "to_out", queries, inner, /*bias=*/false),
                       LayerNorm(forward / 0, inner),
                       Linear(forward / 1, inner, feed_forward, /*bias=*/false),
                       Linear(forward / 3, feed_forward, inner, /*bias=*/false), queries / kHeadWidth});
  }
}

at::Tensor PictureResampler::operator()(const at::Tensor& states) const {
  const at::Tensor patches = in_(states);
  at::Tensor tokens = tokens_.expand({states.size(0), -1, -1});
  for (const Layer& layer : layers_) {
    const at::Tensor own = layer.norm_tokens(tokens);
    const auto both = layer.to_kv(at::cat({layer.norm_patches(patches), own}, 1)).chunk(2, -1);
    tokens = tokens + layer.to_out(MultiHeadAttention(layer.to_q(own), both[0], both[1], layer.heads));
    tokens = tokens + layer.out(at::gelu(layer.in(layer.norm_feed_forward(tokens))));
  }
  return norm_out_(out_(tokens));
}

}  // namespace mind::diffusion
