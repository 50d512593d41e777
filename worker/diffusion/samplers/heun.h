// Heun's second-order method on the probability-flow ODE in sigma form: two evaluations a step, one in the
// last. Karras et al. 2022, alg. 1. Reference: diffusers HeunDiscreteScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sigma_schedule.h"

namespace mind::diffusion {

class HeunSampler : public Sampler {
 public:
  HeunSampler(const SamplerConfig& config, int64_t steps)
      : HeunSampler(config, SigmaSchedule::From(config, steps, Spacing::kLinspace)) {}
  int64_t evaluations() const override { return 2 * steps() - 1; }
  double initial_scale() const override { return schedule_.initial_scale; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  HeunSampler(const SamplerConfig& config, SigmaSchedule schedule)
      : Sampler(schedule.steps()), config_(config), schedule_(std::move(schedule)) {}

  SamplerConfig config_;
  SigmaSchedule schedule_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_HEUN_H_
