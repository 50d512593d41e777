// Diffusion exponential integrator sampler, multistep (tAB-DEIS), orders 1 to 3: the noise prediction is
// extrapolated as a polynomial in log rho and integrated exactly. Zhang & Chen 2022, eq. 15 with
// rho = sigma / alpha. Reference: diffusers DEISMultistepScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DEIS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DEIS_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: the newest noise predictions, at most `order`, oldest first.
class DeisSampler : public LevelSampler {
 public:
  using LevelSampler::LevelSampler;
  DeisSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  int64_t OrderOf(const SampleState& state) const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DEIS_H_
