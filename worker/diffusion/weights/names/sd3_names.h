// Stable Diffusion 3's transformer as Stability AI name its tensors, which files of other programs keep.
// Sources: Stability-AI/sd3.5 mmditx.py; diffusers loaders/single_file_utils.py,
// convert_sd3_transformer_checkpoint_to_diffusers.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_SD3_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_SD3_NAMES_H_

#include <cstdint>
#include <string>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/names/original_layers.h"

namespace mind::diffusion {

// Our layers that an original one ("joint_blocks.0.x_block.attn.qkv") holds, of a network of so many blocks;
// a name that is none is its own.
LayerShares SharesOfSd3Layer(const std::string& original, int64_t blocks);
const OriginalNames& Sd3Names();

// Whether the transformer is there under its original names, "model.diffusion_model." before them or not.
bool IsOriginalSd3(const NamedTensors& tensors);

// Under diffusers' names, as our network asks for them. REQUIRES: IsOriginalSd3(tensors)
NamedTensors FromOriginalSd3(const NamedTensors& tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_SD3_NAMES_H_
