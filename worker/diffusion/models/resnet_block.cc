#include "worker/diffusion/models/resnet_block.h"

namespace mind::diffusion {

ResnetBlock::ResnetBlock(const Scope& scope, int64_t in, int64_t out, const ResnetOptions& options)
    : options_(options),
      norm1_(scope / "norm1", options.groups, in, options.epsilon),
      conv1_(scope / "conv1", in, out),
      norm2_(scope / "norm2", options.groups, out, options.epsilon),
      conv2_(scope / "conv2", out, out) {
  if (options.time_width > 0) {
    time_projection_.emplace(scope / "time_emb_proj", options.time_width,
                             options.scale_shift ? 2 * out : out);
  }
  if (in != out) shortcut_.emplace(scope / "conv_shortcut", in, out, k1x1);
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, const at::Tensor& time) const {
  at::Tensor h = conv1_(at::silu(norm1_(x)));
  at::Tensor projected;
  if (time_projection_) projected = (*time_projection_)(at::silu(time)).unsqueeze(-1).unsqueeze(-1);
  if (projected.defined() && options_.scale_shift) {
    const auto scale_shift = projected.chunk(2, 1);
    h = norm2_(h) * (1 + scale_shift[0]) + scale_shift[1];
  } else {
    if (projected.defined()) h = h + projected;
    h = norm2_(h);
  }
  h = conv2_(at::silu(h));
  h = (shortcut_ ? (*shortcut_)(x) : x) + h;
  return options_.output_scale == 1 ? h : h / options_.output_scale;
}

}  // namespace mind::diffusion
