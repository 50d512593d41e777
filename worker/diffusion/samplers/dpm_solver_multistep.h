// DPM-Solver and DPM-Solver++ in multistep form, orders 1 to 3, as ODE or SDE. "dpmpp_2m" is DPM-Solver++,
// order 2. Lu et al. 2022a (DPM-Solver), 2022b (DPM-Solver++, alg. 2 and app. B for the SDE forms).
// Backwards, from
// picture to noise, too. Reference: diffusers DPMSolverMultistepScheduler,
// DPMSolverMultistepInverseScheduler, EDMDPMSolverMultistepScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: the newest predictions (x0 for the ++ forms, noise for the others), at most `order`, oldest first.
class DpmSolverMultistepSampler : public LevelSampler {
 public:
  // Throws ModelError or RequestError where the configuration's parts do not go together.
  DpmSolverMultistepSampler(const SamplerConfig& config, NoiseLevels levels);
  DpmSolverMultistepSampler(const SamplerConfig& config, int64_t steps)
      : DpmSolverMultistepSampler(config, SolverLevels(config, steps)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  int64_t OrderOf(const SampleState& state) const;
  at::Tensor Advance(const SampleState& state, int64_t order, const at::Tensor& noise) const;

  bool predicts_x0_;  // the ++ forms
  bool stochastic_;   // the SDE forms
};

class DpmSolverInverseSampler : public DpmSolverMultistepSampler {
 public:
  DpmSolverInverseSampler(const SamplerConfig& config, int64_t steps);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_
