// Multistep sampling of students distilled to answer with x0 from anywhere: x0, noised to the next level, and
// again. Luo et al. 2023 (LCM), alg. 3; Zheng et al. 2024 (TCD), alg. 4: noised only part of the way, gamma
// (config.eta) of it. Reference: diffusers LCMScheduler, TCDScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

class LcmSampler : public Sampler {
 public:
  // Throws RequestError for more steps than the teacher took.
  LcmSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  SamplerConfig config_;
  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
};

class TcdSampler : public Sampler {
 public:
  TcdSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  SamplerConfig config_;
  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_
