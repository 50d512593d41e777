// Networks beside a UNet in their authors' own files: their tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CONTROL_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CONTROL_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// ControlNet as lllyasviel publishes it ("control_model.input_hint_block.0.weight", with and without the
// first word), under the names that ours asks for; what has other names stays as it is. `layers`: residual
// blocks of a level.
NamedTensors FromOriginalControlNet(NamedTensors tensors, int64_t layers);

// Likewise T2I-Adapters as TencentARC publishes them ("body.0.block1.weight"). `layers`: of a block.
NamedTensors FromOriginalT2iAdapter(NamedTensors tensors, int64_t layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CONTROL_NAMES_H_
