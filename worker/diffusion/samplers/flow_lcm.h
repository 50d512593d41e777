// Multistep sampling of rectified flows by their estimates of x0, each noised afresh to the next level: what
// students of few steps were distilled for. Luo et al. 2023 (LCM), alg. 3, on the levels of a flow.
// Reference: diffusers FlowMatchLCMScheduler, and FlowMatchEulerDiscreteScheduler with stochastic_sampling.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LCM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LCM_H_

#include "worker/diffusion/samplers/flow_levels.h"
#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class FlowLcmSampler : public LevelSampler {
 public:
  FlowLcmSampler(const SamplerConfig& config, int64_t steps)
      : LevelSampler(config, FlowLevels(config, steps)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LCM_H_
