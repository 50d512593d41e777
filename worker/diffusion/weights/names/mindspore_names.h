// Wukong-Huahua and Taichu-GLIDE as MindSpore names their tensors.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_MINDSPORE_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_MINDSPORE_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Under the names PyTorch gives them: those of latent diffusion (Wukong) or of openai's GLIDE (Taichu). The
// scalars that training leaves behind (epoch_num, step_num …) are left out.
NamedTensors FromMindSpore(const NamedTensors& tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_MINDSPORE_NAMES_H_
