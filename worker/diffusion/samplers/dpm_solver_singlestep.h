// DPM-Solver and DPM-Solver++ in singlestep form: blocks of one to three evaluations that solve as a
// Runge-Kutta method does, each evaluation counted as a step. Lu et al. 2022a, alg. 1 and 2 and sec. 3.4;
// 2022b, alg. 1. Reference: diffusers DPMSolverSinglestepScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_SINGLESTEP_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_SINGLESTEP_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: x at the start of the block, then the block's predictions so far (x0 for the ++ form, noise for
// the other), oldest first.
class DpmSolverSinglestepSampler : public LevelSampler {
 public:
  // Throws ModelError or RequestError where the configuration's parts do not go together.
  DpmSolverSinglestepSampler(const SamplerConfig& config, NoiseLevels levels);
  DpmSolverSinglestepSampler(const SamplerConfig& config, int64_t steps)
      : DpmSolverSinglestepSampler(config, SolverLevels(config, steps)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  // From the block's start to the level after this step, with all the block knows.
  at::Tensor Advance(const SampleState& state) const;

  bool predicts_x0_;             // the ++ form
  std::vector<int64_t> orders_;  // of each step: 1, 2, 3, 1, 2, 3 …
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_SINGLESTEP_H_
