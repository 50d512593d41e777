// A model's parts as ComfyUI's users have them: beside the small files of the diffusers layout, each in one
// file of its own, whatever that is called ("z_image_turbo_bf16", "qwen_3_4b", "ae").
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_SPLIT_FILES_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_SPLIT_FILES_H_

#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Whether a file that holds tensors of these names and shapes is that component by itself, by the marks of
// its kind and, of a text encoder, by how wide it is. `config`: the component's config.json.
bool HoldsComponent(const NamedTensors& shapes, const Config& config);

// What was read from such a file, without what other programs put before transformers' names, and an
// autoencoder under diffusers' names where they are other than Wan's.
NamedTensors FromSplitFile(NamedTensors stored);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_SPLIT_FILES_H_
