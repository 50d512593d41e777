// The original TAESD (madebyollin/taesd): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_TAESD_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_TAESD_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// "3.conv.0.weight" of taesd_decoder.safetensors (decoder: true) or taesd_encoder.safetensors under the names
// our TinyAutoencoder asks for. The decoder's first layer is its squashing of the range, which counts.
NamedTensors FromOriginalTaesd(const NamedTensors& tensors, bool decoder);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_TAESD_NAMES_H_
