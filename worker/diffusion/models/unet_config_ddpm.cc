// The report's own DDPM. Reference: abarankab/DDPM ddpm/unet.py.
#include <algorithm>

#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {

UNetConfig UNetConfig::FromReportDdpm(const Config& config) {
  UNetConfig c;
  c.in_channels = c.out_channels = config.Int("img_channels", 3);
  c.base_channels = config.RequiredInt("base_channels");
  const std::vector<int64_t> multiples = config.RequiredInts("channel_mults");
  c.layers_per_block = config.Int("num_res_blocks", 2);
  c.time_width = config.Int("time_emb_dim", 512);
  c.time_scale = config.Double("time_emb_scale", 1);
  c.flip_sin_to_cos = false;
  c.freq_shift = 0;
  c.class_count = config.Int("num_classes", 0);
  c.class_bias = true;
  c.activation = ReadActivation(config, "activation", Activation::kRelu);
  c.padding = config.Int("initial_pad", 0);
  c.groups = c.middle_groups = config.Int("num_groups", 32);
  c.epsilon = 1e-5;
  c.downsample_padding = 1;
  if (config.String("norm", "gn") != "gn") config.Unsupported("norm", "gn");
  if (c.base_channels < 1 || c.base_channels > (1 << 16)) config.Unsupported("base_channels", "1 to 65536");
  if (multiples.empty() || multiples.size() > 16 || multiples.front() != 1)
    config.Unsupported("channel_mults", "1 to 16 numbers, the first of them 1");
  if (c.layers_per_block < 1 || c.layers_per_block > 64) config.Unsupported("num_res_blocks", "1 to 64");
  if (c.padding < 0 || c.padding > 64) config.Unsupported("initial_pad", "0 to 64");
  const std::vector<int64_t> size = config.RequiredInts("img_size");
  if (size.size() != 2 || size[0] < 1 || size[0] != size[1]) config.Unsupported("img_size", "[n, n]");
  c.sample_size = size[0];
  std::vector<int64_t> attention;
  if (!config.Unset("attention_resolutions")) attention = config.RequiredInts("attention_resolutions");
  for (size_t i = 0; i < multiples.size(); ++i) {
    if (multiples[i] < 1 || multiples[i] > 64) config.Unsupported("channel_mults", "1 to 64 each");
    const bool attends =
        std::find(attention.begin(), attention.end(), static_cast<int64_t>(i)) != attention.end();
    c.levels.push_back({.channels = c.base_channels * multiples[i],
                        .kind = attends ? LevelKind::kSelfAttention : LevelKind::kPlain,
                        .layers = c.layers_per_block});
  }
  for (size_t i = multiples.size(); i-- > 0;) {
    c.up_kinds.push_back(c.levels[i].kind);
    c.up_transitions.push_back(Transition::kConvolution);
  }
  c.middle = LevelKind::kSelfAttention;
  return c;
}

}  // namespace mind::diffusion
