// GGUF files: weights in blocks of few bits, as stable-diffusion.cpp and ComfyUI-GGUF write them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_H_

#include <string>
#include <string_view>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// All tensors in float32, what their blocks stand for. Takes the time to decode them. One whose shape GGUF
// could not hold, and that says so (comfy.gguf.orig_shape.NAME, of ComfyUI-GGUF), has its own shape again.
// Throws ModelError.
NamedTensors ReadGguf(const std::string& path);
// The same without their numbers, by the header alone.
NamedTensors ReadGgufShapes(const std::string& path);
// Likewise, of bytes; `name` stands for the path in errors.
NamedTensors ParseGguf(std::string_view bytes, const std::string& name);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_GGUF_H_
