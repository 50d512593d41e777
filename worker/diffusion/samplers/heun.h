// Heun's second-order method on the probability-flow ODE in sigma form: two evaluations a step, one in the
// last. Karras et al. 2022, alg. 1. Reference: diffusers HeunDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class HeunSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  // Throws RequestError for churn, which is for flows (flow_heun.h).
  HeunSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override { return 2 * steps() - (levels_.levels.back().sigma == 0 ? 1 : 0); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_
