// The probability-flow ODE solved by Dormand and Prince's Runge-Kutta 4(5) with step size control. Song et
// al. 2021, sec. 4.3. Reference for the control, the first step and the error norm: scipy.integrate.RK45.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_

#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// Its steps are equal stretches of time, for progress, previews and checkpoints; how many does not change the
// picture. scalars: time, step size to try next. history: the slope at x.
class OdeRk45Sampler : public Sampler {
 public:
  OdeRk45Sampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  NoiseLevel LevelOf(int64_t step) const override { return path_.At(TimeOf(step)); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  double TimeOf(int64_t step) const;  // where a step's stretch begins

  SamplerConfig config_;
  ContinuousPath path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_
