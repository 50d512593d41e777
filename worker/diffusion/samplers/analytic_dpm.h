// Ancestral or DDIM-like sampling with the reverse variance that maximises the likelihood. Bao et al. 2022
// (Analytic-DPM), eq. 8 and 12. Wants E|noise prediction|² / dimensions at each training step of the model:
// mind-trajectory estimates it and stores it beside the model.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// config.eta: 1 is the DDPM form of the forward process, 0 the DDIM form.
class AnalyticDpmSampler : public LevelSampler {
 public:
  // Throws RequestError for a model without noise moments.
  AnalyticDpmSampler(const SamplerConfig& config, int64_t steps);
  // `moments`: one for each level but the last.
  AnalyticDpmSampler(const SamplerConfig& config, NoiseLevels levels, std::vector<double> moments);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  std::vector<double> moments_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_
