// FLUX.1's transformer as Black Forest Labs name its tensors, which files of other programs keep: fp8 and
// GGUF files, and LoRAs of kohya's. Sources: black-forest-labs/flux src/flux/modules/layers.py; diffusers
// loaders/single_file_utils.py, convert_flux_transformer_checkpoint_to_diffusers.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX_NAMES_H_

#include <string>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/names/original_layers.h"

namespace mind::diffusion {

// Our layers that an original one ("double_blocks.0.img_attn.qkv") holds. Empty: it is none of FLUX.1's.
LayerShares SharesOfFluxLayer(const std::string& original);

// Whether the transformer is there under its original names, "model.diffusion_model." before them or not.
bool IsOriginalFlux(const NamedTensors& tensors);

// Under diffusers' names, as our network asks for them. Throws ModelError naming what is no part of it.
// REQUIRES: IsOriginalFlux(tensors)
NamedTensors FromOriginalFlux(const NamedTensors& tensors);

const OriginalNames& FluxNames();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_FLUX_NAMES_H_
