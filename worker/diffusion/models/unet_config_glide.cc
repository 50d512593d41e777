// GLIDE's UNets. Reference: openai/glide-text2im model_creation.py, text2im_model.py, unet.py.
#include <algorithm>

#include "worker/diffusion/models/guided_diffusion_options.h"
#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {
UNetConfig UNetConfig::FromGlide(const Config& config) {
  UNetConfig c;
  const bool super_resolution = config.Bool("super_res", false);
  c.in_channels = super_resolution ? 6 : 3;
  c.out_channels = 6;
  c.sample_size = config.Int("image_size", 64);
  c.base_channels = config.Int("num_channels", 192);
  c.time_width = 4 * c.base_channels;
  c.layers_per_block = config.Int("num_res_blocks", 3);
  c.groups = c.middle_groups = 32;
  c.epsilon = 1e-5;
  c.scale_shift = config.Bool("use_scale_shift_norm", true);
  c.flip_sin_to_cos = true;
  c.freq_shift = 0;
  c.context_width = config.Int("xf_width", 512);
  c.text_pooling = TextPoolingKind::kLastToken;
  if (config.Bool("inpaint", false)) config.Unsupported("inpaint", "false");
  if (c.base_channels < 32 || c.base_channels > 4096 || c.base_channels % 32 != 0)
    config.Unsupported("num_channels", "a multiple of 32, at most 4096");
  if (c.context_width < 1) config.Unsupported("xf_width", "1 or more: models without text are not supported");
  if (c.layers_per_block < 1 || c.layers_per_block > 64) config.Unsupported("num_res_blocks", "1 to 64");
  const std::vector<int64_t> multiples = ChannelMultiples(config, c.sample_size);
  const std::vector<int64_t> attention = NumbersIn(config, "attention_resolutions");
  const int64_t head_width = config.Int("num_head_channels", -1), heads = config.Int("num_heads", 1);
  const int64_t heads_up = config.Int("num_heads_upsample", -1);
  if (head_width < 0 && heads_up > 0 && heads_up != heads)
    config.Unsupported("num_heads_upsample", "-1, or the same as num_heads");
  const Transition transition =
      config.Bool("resblock_updown", true) ? Transition::kResnet : Transition::kConvolution;
  for (size_t i = 0; i < multiples.size(); ++i) {
    const int64_t resolution = c.sample_size >> i;
    const bool attends = std::find(attention.begin(), attention.end(), resolution) != attention.end();
    UNetLevel level{.channels = c.base_channels * multiples[i],
                    .transition = transition,
                    .kind = attends ? LevelKind::kAddedAttention : LevelKind::kPlain,
                    .layers = c.layers_per_block};
    level.heads = head_width > 0 ? level.channels / head_width : heads;
    if (level.heads < 1 || level.channels % level.heads != 0)
      config.Unsupported("num_head_channels", "one that divides the channels of every level");
    c.levels.push_back(level);
  }
  for (size_t i = multiples.size(); i-- > 0;) {
    c.up_kinds.push_back(c.levels[i].kind);
    c.up_transitions.push_back(transition);
  }
  c.middle = LevelKind::kAddedAttention;
  return c;
}

}  // namespace mind::diffusion
