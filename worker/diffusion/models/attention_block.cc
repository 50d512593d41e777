#include "worker/diffusion/models/attention_block.h"

#include "worker/diffusion/models/attention.h"

namespace mind::diffusion {
namespace {

// Of the context's norm, whatever those of the network's other norms are.
constexpr int64_t kContextNormGroups = 32;
constexpr double kContextNormEpsilon = 1e-5;

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
      to_out_(Renamed(scope, "to_out.0", "proj_attn"), channels, channels) {
  if (!options.only_context) {
    to_k_.emplace(Renamed(scope, "to_k", "key"), channels, channels);
    to_v_.emplace(Renamed(scope, "to_v", "value"), channels, channels);
  }
  if (options.context_width == 0) return;
  if (options.context_norm)
    context_norm_.emplace(scope / "norm_cross", kContextNormGroups, options.context_width,
                          kContextNormEpsilon);
  context_k_.emplace(scope / "add_k_proj", options.context_width, channels);
  context_v_.emplace(scope / "add_v_proj", options.context_width, channels);
}

at::Tensor AttentionBlock::operator()(const at::Tensor& x, const Signals& signals) const {
  const at::Tensor tokens = norm_(x, signals).flatten(2).transpose(1, 2);
  at::Tensor keys, values, mask;
  if (to_k_) {
    keys = (*to_k_)(tokens);
    values = (*to_v_)(tokens);
  }
  if (context_k_) {
    const at::Tensor context =
        context_norm_ ? (*context_norm_)(signals.context.transpose(1, 2)).transpose(1, 2) : signals.context;
    const at::Tensor context_keys = (*context_k_)(context), context_values = (*context_v_)(context);
    keys = to_k_ ? at::cat({context_keys, keys}, 1) : context_keys;
    values = to_v_ ? at::cat({context_values, values}, 1) : context_values;
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
