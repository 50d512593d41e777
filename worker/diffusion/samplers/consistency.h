// Multistep sampling of consistency models: x0, noised to the next level, and again. Song et al. 2023,
// alg. 1. Reference: diffusers CMStochasticIterativeScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_CONSISTENCY_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_CONSISTENCY_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class ConsistencySampler : public LevelSampler {
 public:
  ConsistencySampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_CONSISTENCY_H_
