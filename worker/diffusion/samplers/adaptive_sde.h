// The reverse-time SDE with a step size of its own choosing: improved Euler against Euler, extrapolated.
// Jolicoeur-Martineau et al. 2021 ("Gotta go fast"), alg. 1. Reference: score_sde_fast_sampling
// sde_sampling_torch.py.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_

#include "worker/diffusion/samplers/adaptive_path_sampler.h"

namespace mind::diffusion {

// scalars: time, step size to try next, evaluations so far. history: Euler's x of the last accepted step.
class AdaptiveSdeSampler : public AdaptivePathSampler {
 public:
  using AdaptivePathSampler::AdaptivePathSampler;
  int64_t evaluations() const override;
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_
