#include "worker/diffusion/models/resnet_block.h"

#include <algorithm>

#include "worker/diffusion/models/dropout.h"
#include "worker/diffusion/models/in_place.h"

namespace mind::diffusion {
namespace {

int64_t GroupsOf(int64_t channels, int64_t groups) {
  return groups > 0 ? groups : std::min<int64_t>(channels / 4, 32);
}

}  // namespace

ResnetBlock::ResnetBlock(const Scope& scope, int64_t in, int64_t out, const ResnetOptions& options)
    : options_(options),
      norm1_(scope / "norm1", in, options.latent_channels, GroupsOf(in, options.groups), options.epsilon),
      conv1_(scope / "conv1", in, out),
      norm2_(scope / "norm2", out, options.latent_channels,
             GroupsOf(out, options.groups_out > 0 ? options.groups_out : options.groups), options.epsilon),
      conv2_(scope / "conv2", out, out) {
  if (options.time_width > 0) {
    time_projection_.emplace(scope / "time_emb_proj", options.time_width,
                             options.scale_shift ? 2 * out : out);
  }
  if (options.class_count > 0) class_bias_.emplace(scope / "class_bias", options.class_count, out);
  if (in != out || options.shortcut) shortcut_.emplace(scope / "conv_shortcut", in, out, k1x1);
}

at::Tensor ResnetBlock::Resized(const at::Tensor& x) const {
  if (options_.resizing == Resizing::kNone) return x;
  return options_.resizing == Resizing::kHalve ? Halved(x, options_.filter) : Doubled(x, options_.filter);
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, const Signals& signals) const {
  const auto as_bias = [](const at::Tensor& rows) { return rows.unsqueeze(-1).unsqueeze(-1); };
  const Activation activation = options_.activation;
  at::Tensor h = conv1_(Resized(norm1_.Activated(x, signals, activation)));
  at::Tensor time;
  if (time_projection_)
    time = (*time_projection_)(options_.activated_time ? signals.time : Activate(activation, signals.time));
  if (time.defined() && !options_.scale_shift) h = Plus(h, as_bias(time));
  if (class_bias_) h = Plus(h, as_bias((*class_bias_)(signals.label)));
  if (time.defined() && options_.scale_shift) {
    const auto scale_shift = time.chunk(2, 1);
    h = norm2_.Modulated(h, signals, scale_shift[0], scale_shift[1], activation);
  } else {
    h = norm2_.Activated(h, signals, activation);
  }
  h = conv2_(ActiveDropout(h));
  const at::Tensor resized = Resized(x);
  h = Plus(h, shortcut_ ? (*shortcut_)(resized) : resized);
  return options_.output_scale == 1 ? h : h / options_.output_scale;
}

}  // namespace mind::diffusion
