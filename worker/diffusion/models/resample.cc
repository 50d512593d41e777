#include "worker/diffusion/models/resample.h"

#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

// One 4×4 filter a channel, its weights adding up to `gain`.
at::Tensor BinomialKernel(const at::Tensor& x, double gain) {
  // [1, 3, 3, 1], made where x is: nothing is sent there in the middle of a step.
  const at::Tensor line = at::constant_pad_nd(at::full({2}, 3, x.options()), {1, 1}, 1);
  const at::Tensor square = at::outer(line, line);
  return (square * (gain / 64)).reshape({1, 1, 4, 4}).expand({x.size(1), 1, 4, 4});
}

}  // namespace

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

at::Tensor Halved(const at::Tensor& x, Filter filter) {
  if (filter == Filter::kBox) return at::avg_pool2d(x, {2, 2}, {2, 2});
  return ConvProduct(x, BinomialKernel(x, 1), {}, /*stride=*/2, /*padding=*/1, /*groups=*/x.size(1));
}

at::Tensor Doubled(const at::Tensor& x, Filter filter) {
  if (filter == Filter::kBox) return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  // Zeros between the pixels, then the filter, which is what a transposed convolution is. In float32: of a
  // channel each in bfloat16, LibTorch 1 makes another size on a CPU.
  const at::Tensor in = x.to(at::kFloat);
  return at::conv_transpose2d(in, BinomialKernel(in, 4), {}, /*stride=*/2, /*padding=*/1,
                              /*output_padding=*/0, x.size(1))
      .to(x.scalar_type());
}

}  // namespace mind::diffusion
