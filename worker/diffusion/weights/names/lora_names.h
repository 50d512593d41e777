// The names and rules of LoRA files.
//   diffusers and PEFT: unet.<layer>.lora_A.weight, .lora_B.weight (older: .lora.down.weight,
//   .lora.up.weight,
//     and <attention>.processor.<projection>_lora.down.weight), <layer>.alpha; text_encoder.<layer>…
//   kohya: lora_unet_<layer>.lora_down.weight, .lora_up.weight, .alpha with "_" for every "." of the layer's
//     path; lora_te_<layer>…
// Sources: diffusers loaders/lora_conversion_utils.py, kohya-ss/sd-scripts networks/lora.py.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_

#include <map>
#include <string>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// The update of one layer as stored, shaped for the layer's weight: down [r, in] or [r, in, k, k], up [out,
// r] or [out, r, 1, 1].
struct StoredUpdate {
  at::Tensor down, up;
  double factor = 1;  // alpha / r; 1 where the file has no alpha
};

// The updates in a file by layer, as `layers` (of unet. and text_encoder.) names and shapes them. Throws
// ModelError naming what belongs to no layer, has no counterpart or another shape; UnsupportedError for
// updates of other kinds (DoRA, LoHa, LoKr, LoCon's mid).
std::map<std::string, StoredUpdate> FromLora(const NamedTensors& file, const LayerWeights& layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LORA_NAMES_H_
