// The reverse-time SDE with a step size of its own choosing: improved Euler against Euler, extrapolated.
// Jolicoeur-Martineau et al. 2021 ("Gotta go fast"), alg. 1. Reference: score_sde_fast_sampling
// sde_sampling_torch.py.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_

#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// Its steps are equal stretches of time, for progress, previews and checkpoints; how many does not change the
// picture. scalars: time, step size to try next. history: Euler's x of the last accepted step.
class AdaptiveSdeSampler : public Sampler {
 public:
  AdaptiveSdeSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  NoiseLevel LevelOf(int64_t step) const override { return path_.At(TimeOf(step)); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  double TimeOf(int64_t step) const;  // where a step's stretch begins

  SamplerConfig config_;
  ContinuousPath path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_SDE_H_
