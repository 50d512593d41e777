// The names and rules of LoRA files.
//   diffusers and PEFT: unet.<layer>.lora_A.weight, .lora_B.weight (older: .lora.down.weight,
//   .lora.up.weight,
//     and <attention>.processor.<projection>_lora.down.weight), <layer>.alpha; text_encoder.<layer>…
//   kohya: lora_unet_<layer>.lora_down.weight, .lora_up.weight, .alpha with "_" for every "." of the layer's
//     path, of SDXL's UNet that in guided diffusion's names, of transformers that in diffusers' or in their
//     authors' (original_layers.h); lora_te_<layer>…, lora_te1_…, lora_te2_…
//   of transformers besides: either path after "diffusion_model." (ComfyUI, AI Toolkit) or
//   "base_model.model."
//     (PEFT by itself) or nothing (Lightning); lora_transformer_<layer> with "_" for "." (OneTrainer)
// Sources: diffusers loaders/lora_conversion_utils.py, kohya-ss/sd-scripts networks/lora.py.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_

#include <map>
#include <string>

#include "worker/diffusion/weights/lora_kinds.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// The updates in a file by layer, as `layers` (of unet. or transformer., text_encoder. and text_encoder_2.)
// names and shapes them. Throws ModelError naming what belongs to no layer, has no counterpart or another
// shape; UnsupportedError for updates of other kinds than lora_kinds.h has.
std::map<std::string, StoredUpdate> FromLora(const NamedTensors& file, const LayerWeights& layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_
