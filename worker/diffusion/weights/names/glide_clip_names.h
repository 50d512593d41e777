// GLIDE's CLIP of noised pictures (openai/glide-text2im, clip/): its files and its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_CLIP_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_CLIP_NAMES_H_

#include <string>
#include <vector>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// In a folder: clip_image_enc.safetensors and clip_text_enc.safetensors, which hold what OpenAI published as
// .pt under the same names.
std::vector<std::string> GlideClipFiles(const std::string& folder);

// Both towers under transformers' names of a CLIPModel's, but that "class_embedding" has a row for each
// training step. Keys have no bias there; here it is zero. Throws ModelError.
NamedTensors ReadGlideClip(const std::string& folder);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_CLIP_NAMES_H_
