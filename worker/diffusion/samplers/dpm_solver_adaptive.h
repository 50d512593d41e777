// DPM-Solver with a step size of its own choosing, the error read off an embedded pair of orders 1 and 2, or
// 2 and 3. Lu et al. 2022a, app. C (DPM-Solver-12 and -23).
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_ADAPTIVE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_ADAPTIVE_H_

#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// Its steps are equal stretches of lambda, for progress, previews and checkpoints; how many does not change
// the picture. config.solver_order: 2 or 3. scalars: lambda, step size to try next, evaluations so far.
// history: the lower-order x of the last accepted step.
class DpmSolverAdaptiveSampler : public Sampler {
 public:
  // Throws RequestError for another order.
  DpmSolverAdaptiveSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  NoiseLevel LevelOf(int64_t step) const override { return At(LambdaOf(step)); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  DpmSolverAdaptiveSampler(const SamplerConfig& config, int64_t steps, std::vector<double> sigma_table);
  double LambdaOf(int64_t step) const;  // where a step's stretch begins
  NoiseLevel At(double lambda) const;

  SamplerConfig config_;
  std::vector<double> sigma_table_;
  double lambda_start_, lambda_end_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DPM_SOLVER_ADAPTIVE_H_
