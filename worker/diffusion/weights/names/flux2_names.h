// FLUX.2's transformer as Black Forest Labs name its tensors. Sources: black-forest-labs/flux2
// src/flux2/model.py; diffusers loaders/single_file_utils.py,
// convert_flux2_transformer_checkpoint_to_diffusers.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_

#include <string>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/names/original_layers.h"

namespace mind::diffusion {

// Our layers that an original one ("double_blocks.0.img_attn.qkv") holds; a name that is none is its own.
LayerShares SharesOfFlux2Layer(const std::string& original);
const OriginalNames& Flux2Names();

// Under diffusers' names, as our Flux2Transformer asks for them; those that are so already stay. With or
// without "model.diffusion_model." before the original ones. Throws ModelError.
NamedTensors FromOriginalFlux2(NamedTensors tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX2_NAMES_H_
