#include "worker/diffusion/models/noisy_classifier.h"

#include <algorithm>

#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/guided_diffusion_options.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kClassifierGroups = 32, kMostClasses = 1'000'000, kMostClassifierBlocks = 64;

UNetConfig ClassifierTrunk(const Config& config, int64_t head_width) {
  UNetConfig c;
  c.in_channels = config.Int("in_channels", 3);
  c.sample_size = config.Int("image_size", 64);
  c.base_channels = config.Int("classifier_width", 128);
  c.time_width = 4 * c.base_channels;
  c.layers_per_block = config.Int("classifier_depth", 2);
  c.groups = c.middle_groups = kClassifierGroups;
  c.scale_shift = config.Bool("classifier_use_scale_shift_norm", true);
  c.middle = LevelKind::kSelfAttention;
  if (c.in_channels != 1 && c.in_channels != 3) config.Unsupported("in_channels", "3 (RGB), 1 (grey)");
  if (c.base_channels < 32 || c.base_channels > 4096 || c.base_channels % kClassifierGroups != 0)
    config.Unsupported("classifier_width", "a multiple of 32, at most 4096");
  if (c.layers_per_block < 1 || c.layers_per_block > kMostClassifierBlocks)
    config.Unsupported("classifier_depth", "1 to 64");
  if (head_width < 1 || c.base_channels % head_width != 0)
    config.Unsupported("num_head_channels", "a divisor of classifier_width");
  const std::vector<int64_t> multiples = ChannelMultiples(config, c.sample_size);
  const std::vector<int64_t> attention = NumbersIn(config, "classifier_attention_resolutions");
  for (size_t i = 0; i < multiples.size(); ++i) {
    const bool attends = std::find(attention.begin(), attention.end(), c.sample_size >> i) != attention.end();
    c.levels.push_back({.channels = c.base_channels * multiples[i],
                        .transition = config.Bool("classifier_resblock_updown", true)
                                          ? Transition::kResnet
                                          : Transition::kConvolution,
                        .kind = attends ? LevelKind::kSelfAttention : LevelKind::kPlain,
                        .layers = c.layers_per_block});
    c.levels.back().heads = c.levels.back().channels / head_width;
  }
  return c;
}

// Of the coarsest level.
int64_t PlacesOf(const UNetConfig& trunk) {
  const int64_t side = trunk.sample_size >> (trunk.levels.size() - 1);
  return side * side;
}

}  // namespace

NoisyClassifierConfig NoisyClassifierConfig::From(const Config& config) {
  NoisyClassifierConfig c;
  c.head_width = config.Int("num_head_channels", c.head_width);
  c.classes = config.Int("num_classes", c.classes);
  if (c.classes < 1 || c.classes > kMostClasses) config.Unsupported("num_classes", "1 to 1000000");
  const std::string pool = config.String("classifier_pool", "attention");
  if (pool != "attention" && pool != "adaptive") config.Unsupported("classifier_pool", "attention, adaptive");
  c.pool = pool == "attention" ? Pool::kAttention : Pool::kMean;
  c.trunk = ClassifierTrunk(config, c.head_width);
  return c;
}

NamedTensors FromGuidedDiffusionClassifier(const NamedTensors& tensors, const NoisyClassifierConfig& config) {
  return FromGuidedDiffusionUNet(tensors, config.trunk.layers_per_block,
                                 [&config](int64_t channels) { return channels / config.head_width; });
}

NoisyClassifier::AttentionPool::AttentionPool(const Scope& scope, int64_t channels, int64_t places,
                                              int64_t classes)
    : positions(scope.Take("positional_embedding", {channels, places + 1})),
      qkv_weight((scope / "qkv_proj").Take("weight", {3 * channels, channels, 1}).squeeze(2)),
      qkv_bias((scope / "qkv_proj").Take("bias", {3 * channels})),
      out_weight((scope / "c_proj").Take("weight", {classes, channels, 1}).squeeze(2)),
      out_bias((scope / "c_proj").Take("bias", {classes})) {}

at::Tensor NoisyClassifier::AttentionPool::operator()(const at::Tensor& x, int64_t heads) const {
  const at::Tensor places = x.flatten(2);
  const at::Tensor all = at::cat({places.mean(2, /*keepdim=*/true), places}, 2) + positions;
  const auto qkv = at::linear(all.transpose(1, 2), qkv_weight, qkv_bias).chunk(3, 2);
  const at::Tensor mixed = MultiHeadAttention(qkv[0], qkv[1], qkv[2], heads);
  return at::linear(mixed.select(1, 0), out_weight, out_bias);
}

NoisyClassifier::NoisyClassifier(const Scope& scope, const NoisyClassifierConfig& config)
    : config_(config),
      trunk_(scope, config.trunk),
      norm_(scope / "conv_norm_out", config.trunk.groups, config.trunk.levels.back().channels,
            config.trunk.epsilon) {
  const int64_t channels = config.trunk.levels.back().channels;
  if (config.pool == NoisyClassifierConfig::Pool::kAttention) {
    attention_.emplace(scope / "conv_out", channels, PlacesOf(config.trunk), config.classes);
  } else {
    mean_.emplace(scope / "out.3", channels, config.classes, k1x1);
  }
}

int64_t NoisyClassifier::side() const {
  return attention_ ? config_.trunk.sample_size : 0;
}

at::Tensor NoisyClassifier::Logits(const DenoiserInput& input) const {
  const Signals signals = trunk_.SignalsOf(input);
  Carried carried;
  const at::Tensor x = trunk_.Middle(trunk_.Down(trunk_.In(input.sample), signals, {}, carried), signals);
  const at::Tensor last = Activate(config_.trunk.activation, norm_(x)).to(at::kFloat);
  if (mean_) return (*mean_)(last.mean({2, 3}, /*keepdim=*/true)).flatten(1);
  return (*attention_)(last, last.size(1) / config_.head_width);
}

at::Tensor NoisyClassifier::Score(const DenoiserInput& input) const {
  const at::Tensor logarithms = at::log_softmax(Logits(input), 1);
  return logarithms.gather(1, input.told[Condition::kLabel].unsqueeze(1)).squeeze(1);
}

}  // namespace mind::diffusion
