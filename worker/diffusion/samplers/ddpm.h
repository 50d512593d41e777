// Ancestral sampling of the reverse chain. Ho et al. 2020, alg. 2 with the posterior mean of eq. 7; learned
// variances: Nichol & Dhariwal 2021, eq. 15; led by a classifier: Dhariwal & Nichol 2021, alg. 1. Reference:
// diffusers DDPMScheduler, UnCLIPScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DDPM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DDPM_H_

#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

class DdpmSampler : public Sampler {
 public:
  DdpmSampler(const SamplerConfig& config, int64_t steps)
      : DdpmSampler(config, TrainingSteps(config, steps, Spacing::kLeading)) {}
  NoiseLevel LevelOf(int64_t step) const override;
  bool shifts_mean() const override { return true; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  DdpmSampler(const SamplerConfig& config, std::vector<int64_t> timesteps);
  // The standard deviation of the noise added in a step; `predicted` is the network's say, where it has one.
  at::Tensor Deviation(double variance, double beta, const at::Tensor& predicted,
                       const at::Tensor& like) const;

  SamplerConfig config_;
  std::vector<double> betas_;
  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DDPM_H_
