// FLUX.2's transformer as Black Forest Labs name its tensors. Sources: black-forest-labs/flux2
// src/flux2/model.py; diffusers loaders/single_file_utils.py,
// convert_flux2_transformer_checkpoint_to_diffusers.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Under diffusers' names, as our Flux2Transformer asks for them; those that are so already stay. With or
// without "model.diffusion_model." before the original ones. Throws ModelError.
NamedTensors FromOriginalFlux2(NamedTensors tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_
