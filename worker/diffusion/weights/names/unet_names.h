// The UNet of OpenAI's guided-diffusion and of its descendants (latent diffusion, GLIDE): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_UNET_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_UNET_NAMES_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// "input_blocks.4.1.proj_in.weight" … under the names our UNet asks for. `layers` is the residual blocks a
// level has on the way down. `heads` says how many heads an attention over so many channels has, to part its
// stacked projections; used where there are such ("qkv").
NamedTensors FromGuidedDiffusionUNet(const NamedTensors& tensors, int64_t layers,
                                     const std::function<int64_t(int64_t channels)>& heads = nullptr);

// The way back for paths of layers: what guided diffusion calls each of these, all the layers of a UNet of
// latent diffusion, by our names.
std::map<std::string, std::string> GuidedDiffusionNames(const std::vector<std::string>& layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_UNET_NAMES_H_
