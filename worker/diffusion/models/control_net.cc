#include "worker/diffusion/models/control_net.h"

#include <cmath>

namespace mind::diffusion {
namespace {

constexpr ConvShape kHalving{.kernel = 3, .stride = 2, .padding = 1};
constexpr int64_t kMostHalvings = 8;

// What is added to the finest skip connection is graded down to this, what is added to the middle not at all.
constexpr double kFinest = -1;  // as a power of ten

}  // namespace

ControlNetConfig ControlNetConfig::From(const Config& config) {
  ControlNetConfig c;
  c.trunk = UNetConfig::From(config);
  if (config.Int("conditioning_channels", 3) != 3) config.Unsupported("conditioning_channels", "3");
  c.picture_channels = config.Unset("conditioning_embedding_out_channels")
                           ? std::vector<int64_t>{16, 32, 96, 256}
                           : config.RequiredInts("conditioning_embedding_out_channels");
  const auto steps = static_cast<int64_t>(c.picture_channels.size());
  if (steps < 1 || steps > kMostHalvings + 1)
    config.Unsupported("conditioning_embedding_out_channels", "1 to 9 numbers of channels");
  const std::string order = config.String("controlnet_conditioning_channel_order", "rgb");
  if (order != "rgb" && order != "bgr")
    config.Unsupported("controlnet_conditioning_channel_order", "rgb, bgr");
  c.bgr = order == "bgr";
  c.pools = config.Bool("global_pool_conditions", false);
  return c;
}

ControlNet::ControlNet(const Scope& scope, const ControlNetConfig& config)
    : config_(config),
      trunk_(scope, config.trunk),
      middle_addition_(scope / "controlnet_mid_block", config.trunk.levels.back().channels,
                       config.trunk.levels.back().channels, k1x1) {
  const Scope embedding = scope / "controlnet_cond_embedding";
  const std::vector<int64_t>& channels = config.picture_channels;
  picture_.emplace_back(embedding / "conv_in", 3, channels.front());
  for (size_t i = 0; i + 1 < channels.size(); ++i) {
    picture_.emplace_back(embedding / "blocks" / (2 * i), channels[i], channels[i]);
    picture_.emplace_back(embedding / "blocks" / (2 * i + 1), channels[i], channels[i + 1], kHalving);
  }
  picture_.emplace_back(embedding / "conv_out", channels.back(), config.trunk.base_channels);
  const std::vector<int64_t>& skips = trunk_.skip_channels();
  for (size_t i = 0; i < skips.size(); ++i)
    additions_.emplace_back(scope / "controlnet_down_blocks" / i, skips[i], skips[i], k1x1);
}

at::Tensor ControlNet::EmbedPicture(const at::Tensor& picture) const {
  at::Tensor x = config_.bgr ? picture.flip(1) : picture;
  for (size_t i = 0; i + 1 < picture_.size(); ++i) x = at::silu(picture_[i](x));
  return picture_.back()(x);
}

Additions ControlNet::operator()(const DenoiserInput& input, const at::Tensor& picture, bool graded) const {
  const Signals signals = trunk_.SignalsOf(input);
  Carried carried;
  at::Tensor x = trunk_.In(input.sample) + EmbedPicture(picture);
  x = trunk_.Middle(trunk_.Down(x, signals, {}, carried), signals);
  Additions added;
  for (size_t i = 0; i < additions_.size(); ++i) added.skips.push_back(additions_[i](carried.skips[i]));
  added.middle = middle_addition_(x);
  if (config_.pools) {
    for (at::Tensor& skip : added.skips) skip = skip.mean({2, 3}, /*keepdim=*/true);
    added.middle = added.middle.mean({2, 3}, /*keepdim=*/true);
  } else if (graded) {
    const auto last = static_cast<double>(added.skips.size());  // the middle's
    for (size_t i = 0; i < added.skips.size(); ++i)
      added.skips[i] = added.skips[i] * std::pow(10, kFinest * (1 - static_cast<double>(i) / last));
  }
  return added;
}

}  // namespace mind::diffusion
