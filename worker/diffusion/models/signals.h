// What every block of a network is told besides the feature map it works on.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_
#define MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

namespace mind::diffusion {

struct Perturbation;
struct PicturePrompt;

// Each is undefined where the network has no such input.
struct Signals {
  at::Tensor time;     // [B, time width]: the embedded noise level, and what was added to it
  at::Tensor context;  // [B, M, context width]: the encoded prompt
  // float [B, M]: added to attention's logits of the prompt's tokens; undefined: all are seen alike
  at::Tensor context_mask;
  at::Tensor label;  // int64 [B]: the class
  // Of all rows: the layers in which pixels do not see each other; null: there are none.
  std::shared_ptr<const Perturbation> perturbation = nullptr;
  // Of the batch: pictures that are seen beside the context; null: none. Lives as long as what was told.
  const std::vector<PicturePrompt>* picture_prompts = nullptr;
  at::Tensor latents = {};  // [B, C, h, w]: what a decoder decodes, for norms that look at it
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_
