// Euler's method on the probability-flow ODE in sigma form, optionally stirred by fresh noise ("churn").
// Karras et al. 2022, alg. 2 without the correction. Reference: diffusers EulerDiscreteScheduler,
// EDMEulerScheduler, FlowMatchEulerDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class EulerSampler : public LevelSampler {
 public:
  // Throws RequestError for churn on a network of a form that has no variance-exploding levels.
  EulerSampler(const SamplerConfig& config, NoiseLevels levels);
  EulerSampler(const SamplerConfig& config, int64_t steps)
      : EulerSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  double churned_levels_;  // that the churn is spread over
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_
