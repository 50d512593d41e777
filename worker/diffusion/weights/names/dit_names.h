// The original DiT (facebookresearch/DiT): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DIT_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DIT_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Under the names our DiffusionTransformer asks for, which are diffusers'.
NamedTensors FromOriginalDit(const NamedTensors& tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DIT_NAMES_H_
