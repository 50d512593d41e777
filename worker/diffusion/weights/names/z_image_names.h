// Z-Image under its authors' names, as it is passed on in one file.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_Z_IMAGE_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_Z_IMAGE_NAMES_H_

#include <string>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/names/original_layers.h"

namespace mind::diffusion {

// Our layers that an original one ("layers.0.attention.qkv") holds; a name that is none is its own.
LayerShares SharesOfZImageLayer(const std::string& original);
const OriginalNames& ZImageNames();

// Under the names our ZImageTransformer asks for, which are diffusers'; those that are so already stay. With
// or without "model.diffusion_model." before them. Throws ModelError.
NamedTensors FromOriginalZImage(NamedTensors tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_Z_IMAGE_NAMES_H_
