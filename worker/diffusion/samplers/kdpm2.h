// DPM-Solver-2 in sigma form as K. Crowson wrote it: the midpoint method, the middle taken geometrically;
// plain, or ancestral with fresh noise. Karras et al. 2022, alg. 2. Two evaluations a step, one in the last.
// Reference: diffusers KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_KDPM2_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_KDPM2_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class Kdpm2Sampler : public LevelSampler {
 public:
  Kdpm2Sampler(const SamplerConfig& config, NoiseLevels levels, bool ancestral = false);
  Kdpm2Sampler(const SamplerConfig& config, int64_t steps, bool ancestral = false)
      : Kdpm2Sampler(config, SigmaLevels(config, steps, Spacing::kLinspace), ancestral) {}
  int64_t evaluations() const override { return 2 * steps() - 1; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  bool ancestral_;
  std::vector<NoiseLevel> middles_;  // of every step but the last
};

class Kdpm2AncestralSampler : public Kdpm2Sampler {
 public:
  Kdpm2AncestralSampler(const SamplerConfig& config, int64_t steps) : Kdpm2Sampler(config, steps, true) {}
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_KDPM2_H_
