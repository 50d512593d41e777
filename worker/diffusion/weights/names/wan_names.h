// The autoencoder of Wan's videos, which is Qwen-Image's: its tensors for a lone picture.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_WAN_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_WAN_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Under diffusers' names (AutoencoderKLQwenImage) or Wan's own ("decoder.upsamples.3.residual.2.weight") →
// under diffusers', which our AutoencoderWan asks for, and of two dimensions: of kernels over time what acts
// on the last frame, for before a lone one there are zeros; without the layers that a lone frame does not
// come through (time_conv); norms' weights as vectors. Any other weights: as they are. Source: diffusers
// scripts/convert_wan_to_diffusers.py, autoencoder_kl_qwenimage.py QwenImageCausalConv3d.
NamedTensors FromWanAutoencoder(const NamedTensors& tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_WAN_NAMES_H_
