// Euler's method on the probability-flow ODE in sigma form, optionally stirred by fresh noise ("churn").
// Karras et al. 2022, alg. 2 without the correction. Reference: diffusers EulerDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sigma_schedule.h"

namespace mind::diffusion {

class EulerSampler : public Sampler {
 public:
  EulerSampler(const SamplerConfig& config, int64_t steps)
      : EulerSampler(config, SigmaSchedule::From(config, steps, Spacing::kLinspace)) {}
  double initial_scale() const override { return schedule_.initial_scale; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  EulerSampler(const SamplerConfig& config, SigmaSchedule schedule)
      : Sampler(schedule.steps()), config_(config), schedule_(std::move(schedule)) {}

  SamplerConfig config_;
  SigmaSchedule schedule_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EULER_H_
