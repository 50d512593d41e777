// The probability-flow ODE solved by Dormand and Prince's Runge-Kutta 4(5) with step size control. Song et
// al. 2021, sec. 4.3. Reference for the control, the first step and the error norm: scipy.integrate.RK45.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_

#include "worker/diffusion/samplers/adaptive_path_sampler.h"

namespace mind::diffusion {

// scalars: time, step size to try next, evaluations so far. history: the slope at x.
class OdeRk45Sampler : public AdaptivePathSampler {
 public:
  using AdaptivePathSampler::AdaptivePathSampler;
  int64_t evaluations() const override;
  Task Step(SampleState& state, Evaluator& evaluate) const override;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ODE_RK45_H_
