// Networks that say how well a picture fits what is asked for, and which way it would fit better.
#ifndef MIND_WORKER_DIFFUSION_MODELS_SCORER_H_
#define MIND_WORKER_DIFFUSION_MODELS_SCORER_H_

#include <ATen/ATen.h>

#include "worker/diffusion/models/denoiser.h"

namespace mind::diffusion {

// To executors a denoiser like any other, whose answer is a gradient. Its weights must have been made outside
// inference mode. Immutable after construction; any thread may call, several at once.
class Scorer : public Denoiser {
 public:
  // float, the sample's shape: the gradient of each row's score by its sample. Leaves the caller's inference
  // mode for as long as it takes.
  at::Tensor operator()(const DenoiserInput& input) const final;

  // What its sample is: an estimate of the clean picture, whatever the timestep, or x as a denoiser sees it.
  // Colours in [-1, 1] either way, as far as they are within bounds.
  virtual bool sees_clean() const = 0;
  // The side in pixels of the only pictures that it sees; 0: it sees any.
  virtual int64_t side() const { return 0; }
  // float [B]: the larger, the better a row's sample fits what it is told (kPooled or kLabel).
  virtual at::Tensor Score(const DenoiserInput& input) const = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_SCORER_H_
