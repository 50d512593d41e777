// Linear multistep (Adams-Bashforth for uneven steps) of order 4 on the probability-flow ODE in sigma form.
// Reference: diffusers LMSDiscreteScheduler, after K. Crowson's k-diffusion.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_LMS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_LMS_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: the newest slopes (noise predictions), at most four, oldest first.
class LmsSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  LmsSampler(const SamplerConfig& config, int64_t steps)
      : LevelSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_LMS_H_
