// Improved pseudo linear multistep: order 4 from the fourth step on, rising orders before, one evaluation a
// step throughout. Zhang & Chen 2022 (DEIS), sec. H.2; reference: diffusers IPNDMScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_IPNDM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_IPNDM_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: the newest noise predictions, at most four, oldest first.
class IpndmSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  IpndmSampler(const SamplerConfig& config, int64_t steps)
      : LevelSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_IPNDM_H_
