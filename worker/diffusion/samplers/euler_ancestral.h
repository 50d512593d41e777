// Euler's method to a level below the next, and fresh noise up to it: ancestral sampling in sigma form.
// Reference: diffusers EulerAncestralDiscreteScheduler, after K. Crowson's k-diffusion.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// A step from sigma `from` to `to` taken as a deterministic one to `down` and noise of deviation `up`:
// down² + up² = to². Variance-exploding form.
struct AncestralStep {
  double down = 0, up = 0;
  static AncestralStep Between(double from, double to);
};

class EulerAncestralSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  EulerAncestralSampler(const SamplerConfig& config, int64_t steps)
      : LevelSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_
