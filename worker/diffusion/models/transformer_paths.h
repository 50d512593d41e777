// What the layers of a UNet's transformers are called, so that they can be named from outside.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_PATHS_H_
#define MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_PATHS_H_

#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {

// Layers that see the prompt, down, middle, up ("mid_block.attentions.0.transformer_blocks.0"); those of them
// whose pixels see each other too.
std::vector<std::string> CrossAttentions(const UNetConfig& config);
std::vector<std::string> SelfAttentions(const UNetConfig& config);

// Whether a path is this name, or begins with it up to a "." or "_" ("mid", "down_blocks.1.attentions.0").
bool IsIn(std::string_view path, std::string_view name);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TRANSFORMER_PATHS_H_
