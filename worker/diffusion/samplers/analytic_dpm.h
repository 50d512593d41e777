// Ancestral or DDIM-like sampling with the reverse variance that maximises the likelihood. Bao et al. 2022
// (Analytic-DPM), eq. 8 and 12. Wants E|x0 - estimate of x0|² / dimensions at each training step of
// the model (the paper's Gamma is 1 - alpha²/sigma² of it; this form does not cancel where there is little
// signal): mind-trajectory estimates it and stores it beside the model.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// config.eta: 1 is the DDPM form of the forward process, 0 the DDIM form.
class AnalyticDpmSampler : public LevelSampler {
 public:
  // Throws RequestError for a model without these errors.
  AnalyticDpmSampler(const SamplerConfig& config, int64_t steps);
  // `x0_errors`: one for each level but the last.
  AnalyticDpmSampler(const SamplerConfig& config, NoiseLevels levels, std::vector<double> x0_errors);
  // Of the DDPM form, which is a chain.
  bool shifts_mean() const override { return config_.eta == 1; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  std::vector<double> x0_errors_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ANALYTIC_DPM_H_
