#include "worker/diffusion/models/t2i_adapter.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

constexpr int64_t kLightFactor = 4;  // how much narrower the layers of a light block are
constexpr size_t kMostBlocks = 8;

// Odd sizes are rounded up.
at::Tensor HalvedRoundingUp(const at::Tensor& x) {
  return at::avg_pool2d(x, /*kernel_size=*/2, /*stride=*/2, /*padding=*/0, /*ceil_mode=*/true);
}

}  // namespace

T2iAdapterConfig T2iAdapterConfig::From(const Config& config) {
  T2iAdapterConfig c;
  const std::string kind = config.String("adapter_type", "full_adapter");
  if (kind != "full_adapter" && kind != "full_adapter_xl" && kind != "light_adapter")
    config.Unsupported("adapter_type", "full_adapter, full_adapter_xl, light_adapter");
  c.kind = kind == "light_adapter" ? Kind::kLight : kind == "full_adapter_xl" ? Kind::kFullXl : Kind::kFull;
  c.picture_channels = config.Int("in_channels", 3);
  if (c.picture_channels != 1 && c.picture_channels != 3) config.Unsupported("in_channels", "1, 3");
  c.channels =
      config.Unset("channels") ? std::vector<int64_t>{320, 640, 1280, 1280} : config.RequiredInts("channels");
  const bool positive =
      std::all_of(c.channels.begin(), c.channels.end(), [](int64_t channels) { return channels >= 4; });
  if (c.channels.empty() || c.channels.size() > kMostBlocks || !positive)
    config.Unsupported("channels", "1 to 8 numbers of 4 or more");
  // A light one makes a feature more than it has numbers.
  if (c.kind == Kind::kLight) c.channels.push_back(c.channels.back());
  c.layers = config.Int("num_res_blocks", 2);
  if (c.layers < 1 || c.layers > 64) config.Unsupported("num_res_blocks", "1 to 64");
  c.patch = config.Int("downscale_factor", 8);
  if (c.patch < 1 || c.patch > 64) config.Unsupported("downscale_factor", "1 to 64");
  return c;
}

T2iAdapter::T2iAdapter(const Scope& scope, const T2iAdapterConfig& config) : config_(config) {
  const Scope adapter = scope / "adapter";
  int64_t previous = config.picture_channels * config.patch * config.patch;
  if (config.kind != T2iAdapterConfig::Kind::kLight) {
    conv_in_.emplace(adapter / "conv_in", previous, config.channels.front());
    previous = config.channels.front();
  }
  for (size_t i = 0; i < config.channels.size(); ++i) {
    blocks_.push_back(MakeBlock(adapter / "body" / i, previous, config.channels[i], config.Halves(i)));
    previous = config.channels[i];
  }
}

T2iAdapter::Block T2iAdapter::MakeBlock(const Scope& scope, int64_t in, int64_t out, bool halves) const {
  const bool light = config_.kind == T2iAdapterConfig::Kind::kLight;
  const int64_t width = light ? out / kLightFactor : out;
  Block block;
  block.halves = halves;
  if (light || in != out) block.in.emplace(scope / "in_conv", in, width, k1x1);
  for (int64_t i = 0; i < config_.layers; ++i) {
    const Scope layer = scope / "resnets" / static_cast<size_t>(i);
    block.layers.push_back({Conv2d(layer / "block1", width, width),
                            Conv2d(layer / "block2", width, width, light ? ConvShape() : k1x1)});
  }
  if (light) block.out.emplace(scope / "out_conv", width, out, k1x1);
  return block;
}

std::vector<at::Tensor> T2iAdapter::operator()(const at::Tensor& picture) const {
  at::Tensor x = at::pixel_unshuffle(picture, config_.patch);
  if (conv_in_) x = (*conv_in_)(x);
  std::vector<at::Tensor> features;
  for (const Block& block : blocks_) {
    if (block.halves) x = HalvedRoundingUp(x);
    if (block.in) x = (*block.in)(x);
    for (const Layer& layer : block.layers) x = x + layer.second(at::relu(layer.first(x)));
    if (block.out) x = (*block.out)(x);
    features.push_back(x);
  }
  return features;
}

}  // namespace mind::diffusion
