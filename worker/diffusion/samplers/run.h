// A trajectory alone, outside any batch: what checks, tables and measurements run a sampler with.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_RUN_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_RUN_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// The denoiser's answer to an input at a timestep, as the sampler asks for it (evaluator.h).
using Evaluate = std::function<at::Tensor(const at::Tensor& input, double timestep)>;

// Takes the next step and counts it. Returns how many evaluations it took.
// REQUIRES: state.step < sampler.steps()
inline int64_t TakeStep(const Sampler& sampler, SampleState& state, const Evaluate& evaluate) {
  Evaluator evaluator;
  int64_t evaluations = 0;
  Task step = sampler.Step(state, evaluator);
  for (step.Resume(); !step.done(); step.Resume(), ++evaluations) {
    evaluator.Answer(evaluate(evaluator.input(), evaluator.timestep()));
  }
  ++state.step;
  return evaluations;
}

// From where the trajectory stands to its end, `after_step` being called after every step. Returns how many
// evaluations it took.
inline int64_t RunToEnd(const Sampler& sampler, SampleState& state, const Evaluate& evaluate,
                        const std::function<void()>& after_step = {}) {
  int64_t evaluations = 0;
  while (state.step < sampler.steps()) {
    evaluations += TakeStep(sampler, state, evaluate);
    if (after_step) after_step();
  }
  return evaluations;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_RUN_H_
