#include "worker/diffusion/models/super_resolution_gan.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr ConvShape k9x9{.kernel = 9, .stride = 1, .padding = 4};
constexpr double kBatchNormEpsilon = 1e-5;

// [B, 4C, H, W] → [B, C, 2H, 2W]. MindSpore's DepthToSpace: channels are the pixels of a square first, unlike
// PyTorch's PixelShuffle.
at::Tensor DepthToSpace(const at::Tensor& x) {
  const int64_t channels = x.size(1) / 4, height = x.size(2), width = x.size(3);
  return x.reshape({x.size(0), 2, 2, channels, height, width})
      .permute({0, 3, 4, 1, 5, 2})
      .reshape({x.size(0), channels, 2 * height, 2 * width});
}

at::Tensor Slope(const Scope& scope, int64_t channels) {
  return scope.Take("w", {channels});
}

}  // namespace

SuperResolutionGan::Shape SuperResolutionGan::ShapeOf(const NamedTensors& tensors) {
  const auto first = tensors.tensors.find("conv1.0.weight");
  if (first == tensors.tensors.end() || first->second.dim() != 4)
    throw ModelError(tensors.source + ": no \"conv1.0.weight\": not a super-resolution generator");
  Shape shape{.channels = first->second.size(0), .blocks = 0, .doublings = 0};
  while (tensors.Has("trunk." + std::to_string(shape.blocks) + ".conv1.weight")) ++shape.blocks;
  while (tensors.Has("subpixel_conv." + std::to_string(shape.doublings) + ".conv.weight")) ++shape.doublings;
  return shape;
}

SuperResolutionGan::Norm::Norm(const Scope& scope, int64_t channels)
    : weight(scope.Take("gamma", {channels})),
      bias(scope.Take("beta", {channels})),
      mean(scope.Take("moving_mean", {channels})),
      variance(scope.Take("moving_variance", {channels})) {}

at::Tensor SuperResolutionGan::Norm::operator()(const at::Tensor& x) const {
  return at::batch_norm(x, weight, bias, mean, variance, /*training=*/false, /*momentum=*/0,
                        kBatchNormEpsilon,
                        /*cudnn_enabled=*/true);
}

SuperResolutionGan::Block::Block(const Scope& scope, int64_t channels)
    : conv1(scope / "conv1", channels, channels),
      norm1(scope / "bn1", channels),
      slope(Slope(scope / "prelu", channels)),
      conv2(scope / "conv2", channels, channels),
      norm2(scope / "bn2", channels) {}

SuperResolutionGan::Doubling::Doubling(const Scope& scope, int64_t channels)
    : conv(scope / "conv", channels, 4 * channels), slope(Slope(scope / "prelu", channels)) {}

SuperResolutionGan::SuperResolutionGan(const Scope& scope, const Shape& shape)
    : conv_in_(scope / "conv1.0", 3, shape.channels, k9x9),
      slope_in_(Slope(scope / "conv1.1", shape.channels)),
      conv_trunk_(scope / "conv2.0", shape.channels, shape.channels),
      slope_trunk_(Slope(scope / "conv2.1", shape.channels)),
      conv_out_(scope / "conv3", shape.channels, 3, k9x9) {
  for (int64_t i = 0; i < shape.blocks; ++i)
    trunk_.emplace_back(scope / "trunk" / static_cast<size_t>(i), shape.channels);
  for (int64_t i = 0; i < shape.doublings; ++i)
    doublings_.emplace_back(scope / "subpixel_conv" / static_cast<size_t>(i), shape.channels);
}

at::Tensor SuperResolutionGan::operator()(const at::Tensor& picture) const {
  const at::Tensor first = at::prelu(conv_in_(picture), slope_in_);
  at::Tensor x = first;
  for (const Block& block : trunk_) {
    const at::Tensor h = at::prelu(block.norm1(block.conv1(x)), block.slope);
    x = x + block.norm2(block.conv2(h));
  }
  x = first + at::prelu(conv_trunk_(x), slope_trunk_);
  for (const Doubling& doubling : doublings_) x = at::prelu(DepthToSpace(doubling.conv(x)), doubling.slope);
  return at::tanh(conv_out_(x));
}

}  // namespace mind::diffusion
