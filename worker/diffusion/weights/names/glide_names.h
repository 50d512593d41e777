// GLIDE (openai/glide-text2im): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_NAMES_H_

#include <functional>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// How the stacked projections of a GLIDE model are to be parted.
struct GlideShape {
  int64_t layers = 3;                                 // num_res_blocks
  std::function<int64_t(int64_t)> heads_of_channels;  // of the UNet's attentions
  int64_t text_heads = 8;
};

// One file of GLIDE holds a text transformer and a UNet: both under the names ours ask for, "text." and
// "unet." before them.
NamedTensors FromGlide(const NamedTensors& tensors, const GlideShape& shape);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_GLIDE_NAMES_H_
