// Euler's method to a lower noise level than asked for, then fresh noise up to it ("Euler a").
// Source: crowsonkb/k-diffusion sample_euler_ancestral. Reference: diffusers EulerAncestralDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sigma_schedule.h"

namespace mind::diffusion {

class EulerAncestralSampler : public Sampler {
 public:
  EulerAncestralSampler(const SamplerConfig& config, int64_t steps)
      : EulerAncestralSampler(config, SigmaSchedule::From(config, steps, Spacing::kLinspace)) {}
  double initial_scale() const override { return schedule_.initial_scale; }
  // Draws in every step, the last included, where the noise has weight 0: the reference's draws stay in step
  // with ours.
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  EulerAncestralSampler(const SamplerConfig& config, SigmaSchedule schedule)
      : Sampler(schedule.steps()), prediction_(config.prediction), schedule_(std::move(schedule)) {}

  Prediction prediction_;
  SigmaSchedule schedule_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_EULER_ANCESTRAL_H_
