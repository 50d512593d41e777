// Heun's second-order method on a rectified flow, optionally stirred by fresh noise ("churn"): two
// evaluations a step, one in the last. Karras et al. 2022, alg. 1 and 2, with sigma the time of the flow.
// Reference: diffusers FlowMatchHeunDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_HEUN_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_HEUN_H_

#include "worker/diffusion/samplers/flow_levels.h"
#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class FlowHeunSampler : public LevelSampler {
 public:
  FlowHeunSampler(const SamplerConfig& config, int64_t steps)
      : LevelSampler(config, FlowLevels(config, steps)) {}
  int64_t evaluations() const override { return 2 * steps() - (levels_.levels.back().sigma == 0 ? 1 : 0); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_HEUN_H_
