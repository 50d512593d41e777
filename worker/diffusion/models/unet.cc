#include "worker/diffusion/models/unet.h"

#include <algorithm>

#include "worker/diffusion/models/control.h"
#include "worker/diffusion/models/unet_levels.h"

namespace mind::diffusion {
namespace {

// Of the transformers of a level on the way up, coarsest first; none where no level has any.
std::vector<int64_t> UpLayers(const UNetConfig& config, size_t level) {
  return config.up_transformer_layers.empty() ? std::vector<int64_t>() : config.up_transformer_layers[level];
}

// Of as many features as levels and one more, the last belongs behind the middle.
at::Tensor MiddleFeature(const UNetConfig& config, const std::vector<at::Tensor>& features) {
  return features.size() > config.levels.size() ? features.back() : at::Tensor();
}

}  // namespace

UNet::UNet(const Scope& scope, const UNetConfig& config)
    : trunk_(scope, config),
      norm_out_(scope / "conv_norm_out",
                config.groups > 0 ? config.groups : std::min<int64_t>(config.base_channels / 4, 32),
                config.base_channels, config.epsilon),
      conv_out_(scope / "conv_out", config.base_channels, config.out_channels) {
  std::vector<int64_t> skips = trunk_.skip_channels();
  const size_t levels = config.levels.size();
  int64_t previous = config.levels.back().channels;
  for (size_t i = 0; i < levels; ++i) {
    const UNetLevel& level = config.levels[levels - 1 - i];
    UpBlock::Options options{.in = {},
                             .skip = {},
                             .out = level.channels,
                             .pyramid = config.has_pyramid(),
                             .transition = i + 1 == levels ? Transition::kNone : config.up_transitions[i],
                             .resnet = LevelResnet(config)};
    for (int64_t layer = 0; layer <= level.layers; ++layer) {
      options.in.push_back(layer == 0 ? previous : level.channels);
      options.skip.push_back(skips.back());
      skips.pop_back();
    }
    up_.emplace_back(scope / "up_blocks" / i, options,
                     LevelMixer(config, config.up_kinds[i], level, UpLayers(config, i),
                                "up_blocks." + std::to_string(i), /*middle=*/false));
    previous = level.channels;
  }
}

at::Tensor UNet::operator()(const DenoiserInput& input) const {
  const Additions added = AdditionsOf(input);
  const Signals signals = trunk_.SignalsOf(input);
  const int64_t pad = config().padding;
  const at::Tensor& channels = input.told[Condition::kChannels];
  at::Tensor x = channels.defined() ? at::cat({input.sample, channels}, 1) : input.sample;
  if (config().center_input) x = 2 * x - 1;
  if (pad > 0) x = at::constant_pad_nd(x, {pad, pad, pad, pad});
  Carried carried;
  if (config().has_pyramid()) carried.pyramid = x;
  x = trunk_.Down(trunk_.In(x), signals, added.features, carried);
  x = trunk_.Middle(x, signals);
  if (const at::Tensor feature = MiddleFeature(config(), added.features); feature.defined()) x = x + feature;
  // Only now: the way down sees nothing of them.
  for (size_t i = 0; i < added.skips.size(); ++i) carried.skips[i] = carried.skips[i] + added.skips[i];
  if (added.middle.defined()) x = x + added.middle;
  carried.pyramid = at::Tensor();  // the one that grows upwards begins with nothing
  for (const UpBlock& block : up_) x = block(x, signals, &carried);
  x = conv_out_(norm_out_.Activated(x, config().activation)).to(at::kFloat);
  if (carried.pyramid.defined()) x = x + carried.pyramid;
  if (pad > 0) x = x.slice(2, pad, x.size(2) - pad).slice(3, pad, x.size(3) - pad);
  // A score: noise over sigma, which is what such a network is told as its timestep.
  if (config().time_features == TimeFeatures::kFourier) x = x / input.timestep.reshape({-1, 1, 1, 1});
  return x;
}

}  // namespace mind::diffusion
