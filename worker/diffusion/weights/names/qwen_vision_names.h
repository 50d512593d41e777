// The names that transformers has given the tensors of what Qwen 2.5-VL sees pictures through.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_VISION_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_VISION_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// That part, under the names that our QwenVision asks for: "visual.blocks.0.…", or "model.visual.blocks.0.…",
// without what is before; the kernel over patches as the linear layer it is.
NamedTensors QwenVisionPart(const NamedTensors& stored);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_VISION_NAMES_H_
