// A sampler: the rule that turns evaluations of the denoiser into steps from noise to picture.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "worker/diffusion/samplers/evaluator.h"
#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/noise_source.h"
#include "worker/diffusion/samplers/task.h"

namespace mind::diffusion {

// All a trajectory is between two steps: plain data, so that it can be paused, stored and continued
// elsewhere.
struct SampleState {
  at::Tensor x;                     // float [C, H, W] (the samplers themselves do not mind the shape)
  int64_t step = 0;                 // steps taken
  std::vector<at::Tensor> history;  // what a rule remembers, each shaped like x; each sampler says what
  std::vector<double> scalars;      // likewise: where an adaptive rule is, and its next step size
  at::Tensor denoised;              // the newest estimate of x0, for previews; not part of a checkpoint
  std::unique_ptr<NoiseSource> noise;
};

// Immutable after construction: one rule, one step count, one noise schedule. Any thread may call, each with
// a state of its own.
class Sampler {
 public:
  virtual ~Sampler() = default;

  int64_t steps() const { return steps_; }
  // Of the denoiser, over all steps; the unit of cost. Of an adaptive rule: what it usually takes.
  virtual int64_t evaluations() const { return steps_; }
  // What unit normal noise is multiplied by to be the first x.
  double initial_scale() const { return initial_scale_; }

  // Where x is before a step. x0 and noise put together at this level is a trajectory to go on with from
  // there: how a supplied picture is taken up (SDEdit, Meng et al. 2022; CCDF, Chung et al. 2022). REQUIRES:
  // 0 <= step < steps()
  virtual NoiseLevel LevelOf(int64_t step) const = 0;
  // The same for a trajectory that begins there.
  virtual NoiseLevel StartLevelOf(int64_t step) const { return LevelOf(step); }

  // Whether a step draws from a normal distribution with a mean of its own, so that a classifier's gradient
  // shifts that by its variance (Dhariwal & Nichol 2021, alg. 1; Denoised::lead). Else the gradient moves
  // what the network predicts (alg. 2), and the sampler knows nothing of it.
  virtual bool shifts_mean() const { return false; }

  // Takes one step: x, history, scalars and noise move on; the caller then counts `step` up. A step may need
  // no evaluation at all. Both references must outlive the task. REQUIRES: state.step < steps()
  virtual Task Step(SampleState& state, Evaluator& evaluate) const = 0;

 protected:
  explicit Sampler(int64_t steps, double initial_scale = 1) : steps_(steps), initial_scale_(initial_scale) {}

 private:
  int64_t steps_;
  double initial_scale_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_H_
