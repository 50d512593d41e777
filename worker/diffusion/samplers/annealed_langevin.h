// Annealed Langevin dynamics: at every noise level some steps along the score, stirred by noise. Song & Ermon
// 2019 (NCSN), alg. 1, ending with a denoising step (Song & Ermon 2020, sec. 3.5). Reference: ncsnv2
// models/__init__.py anneal_Langevin_dynamics.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ANNEALED_LANGEVIN_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ANNEALED_LANGEVIN_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// A step is one level: config.langevin_steps evaluations. config.langevin_rate: the step size in units of
// sigma² (the paper's epsilon over sigma_L², half its alpha).
class AnnealedLangevinSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  AnnealedLangevinSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ANNEALED_LANGEVIN_H_
