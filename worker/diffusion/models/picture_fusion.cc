#include "worker/diffusion/models/picture_fusion.h"

#include <algorithm>

#include "worker/diffusion/models/activation.h"
#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kFusionFactor = 4;
constexpr int64_t kMostKinds = 64, kMostLayers = 64;

}  // namespace

PictureFusionConfig PictureFusionConfig::From(const Config& config, int64_t width) {
  PictureFusionConfig c;
  c.kinds = config.Int("num_control_type", 6);
  c.width = width;
  c.layers = config.Int("num_trans_layer", c.layers);
  c.waves = config.Int("addition_time_embed_dim", c.waves);
  c.sinusoid = {.flip_sin_to_cos = config.Bool("flip_sin_to_cos", true),
                .freq_shift = config.Double("freq_shift", 0)};
  if (c.kinds < 1 || c.kinds > kMostKinds) config.Unsupported("num_control_type", "1 to 64");
  if (c.layers < 1 || c.layers > kMostLayers) config.Unsupported("num_trans_layer", "1 to 64");
  if (c.waves < 2 || c.waves > 4096) config.Unsupported("addition_time_embed_dim", "2 to 4096");
  if (config.Int("num_trans_channel", width) != width)
    config.Unsupported("num_trans_channel", "the first of block_out_channels");
  const int64_t projected = config.Int("num_proj_channel", width);
  if (projected != width) config.Unsupported("num_proj_channel", "the first of block_out_channels");
  return c;
}

PictureFusion::PictureFusion(const Scope& scope, const PictureFusionConfig& config, int64_t time_width)
    : config_(config),
      time_embedding_(scope / "control_add_embedding", config.kinds * config.waves, time_width),
      kind_embedding_(scope.Take("task_embedding", {config.kinds, config.width})),
      shift_(scope / "spatial_ch_projs", config.width, config.width) {
  const int64_t width = config.width;
  for (int64_t i = 0; i < config.layers; ++i) {
    const Scope layer = scope / "transformer_layes" / static_cast<size_t>(i);  // its name so
    layers_.push_back({LayerNorm(layer / "ln_1", width), LayerNorm(layer / "ln_2", width),
                       layer.Take("attn.in_proj_weight", {3 * width, width}).narrow(0, 2 * width, width),
                       layer.Take("attn.in_proj_bias", {3 * width}).narrow(0, 2 * width, width),
                       Linear(layer / "attn.out_proj", width, width),
                       Linear(layer / "mlp.c_fc", width, kFusionFactor * width),
                       Linear(layer / "mlp.c_proj", kFusionFactor * width, width)});
  }
}

at::Tensor PictureFusion::TimeOf(const std::vector<int64_t>& kinds, const at::Tensor& like) const {
  at::Tensor there = at::zeros({config_.kinds}, at::kFloat);
  for (const int64_t kind : kinds) there[kind] = 1;
  const at::Tensor waves = SinusoidalEmbedding(there.to(like.device()), config_.waves, config_.sinusoid);
  return time_embedding_(waves.reshape({1, -1}).to(like.scalar_type()));
}

at::Tensor PictureFusion::operator()(const at::Tensor& x, const std::vector<at::Tensor>& pictures,
                                     const std::vector<int64_t>& kinds, const at::Tensor& weights) const {
  at::Tensor sum = at::zeros_like(x);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto number = static_cast<int64_t>(i);
    const at::Tensor weight =
        weights.defined() ? weights.narrow(1, number, 1).to(x.scalar_type()) : at::Tensor();  // [B, 1]
    at::Tensor token = pictures[i].mean({2, 3}) + kind_embedding_[kinds[i]];
    if (weight.defined()) token = token * weight;
    // In the reference, whose attention takes the batch for the sequence, a picture's token sees those of
    // other rows, never the row's others; with the same pictures in all rows each sees itself.
    for (const Layer& layer : layers_) {
      token = token + layer.out(LinearProduct(layer.norm1(token), layer.values, layer.value_bias));
      token = token + layer.down(Activate(Activation::kQuickGelu, layer.in(layer.norm2(token))));
    }
    at::Tensor added = pictures[i];
    at::Tensor shift = shift_(token);
    if (weight.defined()) {
      added = added * weight.unsqueeze(-1).unsqueeze(-1);
      shift = shift * weight;
    }
    sum = sum + added + shift.unsqueeze(-1).unsqueeze(-1);
  }
  return sum;
}

}  // namespace mind::diffusion
