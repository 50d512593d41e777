// The names that transformers has given the tensors of Qwen's language models, in its versions and with or
// without other networks beside them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// What reads text, under the names that our QwenText asks for (embed_tokens, layers, norm), with the first
// `layers` of its layers. What is for other ends is left out: the further layers, what guesses words
// (lm_head), what sees pictures (visual).
NamedTensors QwenTextPart(const NamedTensors& stored, int64_t layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_QWEN_NAMES_H_
