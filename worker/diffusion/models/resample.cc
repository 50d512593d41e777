#include "worker/diffusion/models/resample.h"

namespace mind::diffusion {

Downsample::Downsample(const Scope& scope, int64_t channels, int64_t padding)
    : conv_(scope / "conv", channels, channels, {.kernel = 3, .stride = 2, .padding = padding}),
      far_edge_(padding == 0) {}

at::Tensor Downsample::operator()(const at::Tensor& x) const {
  return conv_(far_edge_ ? at::constant_pad_nd(x, {0, 1, 0, 1}, 0) : x);
}

Upsample::Upsample(const Scope& scope, int64_t channels) : conv_(scope / "conv", channels, channels) {}

at::Tensor Upsample::operator()(const at::Tensor& x, at::IntArrayRef size) const {
  return conv_(at::upsample_nearest2d(x, size));
}

}  // namespace mind::diffusion
