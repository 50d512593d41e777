// Denoising diffusion implicit models. Song et al. 2021, eq. 12 and 16 (eta). Reference: diffusers
// DDIMScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

class DdimSampler : public Sampler {
 public:
  DdimSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  SamplerConfig config_;
  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
  int64_t stride_;
  double final_alpha_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_
