#include "worker/diffusion/models/attention_block.h"

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

Scope Renamed(const Scope& scope, const char* today, const char* before) {
  const Scope current = scope / today;
  return current.Has("weight") ? current : scope / before;
}

}  // namespace

AttentionBlock::AttentionBlock(const Scope& scope, int64_t channels, const Options& options)
    : options_(options),
      norm_(scope / (options.latent_channels > 0 ? "spatial_norm" : "group_norm"), channels,
            options.latent_channels, options.groups, options.epsilon),
      to_q_(Renamed(scope, "to_q", "query"), channels, channels),
      to_k_(Renamed(scope, "to_k", "key"), channels, channels),
      to_v_(Renamed(scope, "to_v", "value"), channels, channels),
      to_out_(Renamed(scope, "to_out.0", "proj_attn"), channels, channels) {
  if (options.context_width == 0) return;
  context_k_.emplace(scope / "add_k_proj", options.context_width, channels);
  context_v_.emplace(scope / "add_v_proj", options.context_width, channels);
}

at::Tensor AttentionBlock::operator()(const at::Tensor& x, const Signals& signals) const {
  const at::Tensor tokens = norm_(x, signals).flatten(2).transpose(1, 2);
  at::Tensor keys = to_k_(tokens), values = to_v_(tokens);
  at::Tensor mask;
  if (context_k_) {
    keys = at::cat({(*context_k_)(signals.context), keys}, 1);
    values = at::cat({(*context_v_)(signals.context), values}, 1);
    if (signals.context_mask.defined()) {
      const int64_t pixels = keys.size(1) - signals.context_mask.size(1);
      mask = at::constant_pad_nd(signals.context_mask, {0, pixels}).unsqueeze(1).unsqueeze(1);
    }
  }
  const at::Tensor mixed = to_out_(MultiHeadAttention(to_q_(tokens), keys, values, options_.heads, mask));
  const at::Tensor y = mixed.transpose(1, 2).reshape(x.sizes()) + x;
  return options_.output_scale == 1 ? y : y / options_.output_scale;
}

}  // namespace mind::diffusion
