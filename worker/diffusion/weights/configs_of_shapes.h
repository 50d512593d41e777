// Configurations of Stable Diffusion's networks, worked out from the shapes of their weights: what diffusers
// and transformers would have written beside them. What shapes do not say is the same in all that was
// published: norms have 32 groups; heads are 64 wide, but of Stable Diffusion 1's UNet and of the x4
// upscaler's there are 8, and of ViT-H's vision tower they are 80 wide.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_CONFIGS_OF_SHAPES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_CONFIGS_OF_SHAPES_H_

#include <nlohmann/json.hpp>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// The tensors of all three are under diffusers' and transformers' names; only their shapes count. All throw
// ModelError naming the file and what it lacks, UnsupportedError where no configuration says such shapes.

// unet/config.json, but for sample_size. What the frame's sizes and the pooled prompt are embedded from
// (SDXL), or a picture's embedding (Stable unCLIP), is its projection_class_embeddings_input_dim.
nlohmann::json UNetConfigOf(const NamedTensors& unet);

// vae/config.json, but for scaling_factor and force_upcast.
nlohmann::json AutoencoderConfigOf(const NamedTensors& vae);

// text_encoder/config.json. `open_clip`: of OpenCLIP's activation, not OpenAI's.
nlohmann::json ClipTextConfigOf(const NamedTensors& text, bool open_clip);

// image_encoder/config.json: of CLIP's own ViT-L, or of OpenCLIP's towers.
nlohmann::json ClipVisionConfigOf(const NamedTensors& vision);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_CONFIGS_OF_SHAPES_H_
