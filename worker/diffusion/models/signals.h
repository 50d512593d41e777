// What every block of a network is told besides the feature map it works on.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_
#define MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// Each is undefined where the network has no such input.
struct Signals {
  at::Tensor time;     // [B, time width]: the embedded noise level, and what was added to it
  at::Tensor context;  // [B, M, context width]: the encoded prompt
  at::Tensor label;    // int64 [B]: the class
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SIGNALS_H_
