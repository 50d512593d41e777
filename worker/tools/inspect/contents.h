// What a file of weights holds, told from the names and types of its tensors.
#ifndef MIND_WORKER_TOOLS_INSPECT_CONTENTS_H_
#define MIND_WORKER_TOOLS_INSPECT_CONTENTS_H_

#include <string>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// "a LoRA (kohya's names)", "Stable Diffusion 2, the whole model under its original names" …; empty: names
// of no program known here.
std::string KindOfContents(const NamedTensors& weights);

// "686 tensors, 859.52 M numbers as fp16".
std::string SizeOfContents(const NamedTensors& weights);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_TOOLS_INSPECT_CONTENTS_H_
