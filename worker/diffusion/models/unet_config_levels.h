// The levels of a UNet, as diffusers' config.json says them: a list of blocks' names beside lists of numbers.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_LEVELS_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_LEVELS_H_

#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {

// Reads block_out_channels, down_block_types, up_block_types, layers_per_block, attention_head_dim,
// transformer_layers_per_block, reverse_transformer_layers_per_block, only_cross_attention, downsample_type
// and upsample_type into `levels`, `up_*`, `layers_per_block` and `middle_transformer_layers`. `conditional`:
// of a UNet2DConditionModel or a control, where attention_head_dim is a number of heads; a `control` has no
// way up. Throws Error, naming the key and what is allowed.
void ReadUNetLevels(const Config& config, bool conditional, bool control, UNetConfig& c);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_LEVELS_H_
