// CLIP's towers as different versions of transformers write them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CLIP_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CLIP_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// A text tower's tensors under the names that published files have ("text_model.embeddings.…"), from those
// that transformers writes since version 5 ("embeddings.…"); other tensors stay as they are.
NamedTensors FromNewerTransformers(NamedTensors tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_CLIP_NAMES_H_
