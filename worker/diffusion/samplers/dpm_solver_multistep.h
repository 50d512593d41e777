// DPM-Solver and DPM-Solver++ in multistep form, orders 1 to 3, as ODE or SDE. "dpmpp_2m" is DPM-Solver++,
// order 2. Lu et al. 2022a (DPM-Solver), 2022b (DPM-Solver++, alg. 2 and app. B for the SDE forms).
// Reference: diffusers DPMSolverMultistepScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// history: the newest predictions (x0 for the ++ forms, noise for the others), at most `order`, oldest first.
class DpmSolverMultistepSampler : public Sampler {
 public:
  DpmSolverMultistepSampler(const SamplerConfig& config, int64_t steps);
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  // One noise level on the way: x = alpha·x0 + sigma·noise; lambda = log(alpha / sigma).
  struct Level {
    double alpha, sigma, lambda;
  };

  int64_t OrderOf(const SampleState& state) const;
  at::Tensor Advance(const SampleState& state, int64_t order, const at::Tensor& noise) const;

  SamplerConfig config_;
  bool predicts_x0_;  // the ++ forms
  bool stochastic_;   // the SDE forms
  std::vector<int64_t> timesteps_;
  std::vector<Level> levels_;  // steps + 1
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_MULTISTEP_H_
