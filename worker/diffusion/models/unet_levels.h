// What the levels of a UNet are made of, by its configuration: its two ways and its middle alike.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_LEVELS_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_LEVELS_H_

#include <string>
#include <vector>

#include "worker/diffusion/models/unet_blocks.h"
#include "worker/diffusion/models/unet_config.h"

namespace mind::diffusion {

// The residual blocks of the levels, down and up, and of the middle.
ResnetOptions LevelResnet(const UNetConfig& config);
ResnetOptions MiddleResnet(const UNetConfig& config);

// What follows them. `layers`: of each of the level's transformers; `name`: the level's module ("mid_block").
MixerFactory LevelMixer(const UNetConfig& config, LevelKind kind, const UNetLevel& level,
                        const std::vector<int64_t>& layers, const std::string& name, bool middle);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_LEVELS_H_
