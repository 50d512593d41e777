// Multistep sampling of students distilled to answer with x0 from anywhere: x0, noised to the next level, and
// again. Luo et al. 2023 (LCM), alg. 3; Zheng et al. 2024 (TCD), alg. 4: noised only part of the way, gamma
// (config.eta) of it. Reference: diffusers LCMScheduler, TCDScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

class StudentSampler : public Sampler {
 public:
  // Throws RequestError for more steps than the teacher took.
  StudentSampler(const SamplerConfig& config, int64_t steps);
  NoiseLevel LevelOf(int64_t step) const override;

 protected:
  double AlphaCumprod(int64_t t) const { return alphas_cumprod_[static_cast<size_t>(t)]; }
  bool IsLast(const SampleState& state) const { return state.step + 1 == steps(); }
  int64_t TimestepAfter(const SampleState& state) const {
    return timesteps_[static_cast<size_t>(state.step) + 1];
  }

  SamplerConfig config_;

 private:
  StudentSampler(const SamplerConfig& config, std::vector<int64_t> timesteps);

  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
};

class LcmSampler : public StudentSampler {
 public:
  using StudentSampler::StudentSampler;
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

class TcdSampler : public StudentSampler {
 public:
  TcdSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_LATENT_CONSISTENCY_H_
