// The noise levels of the samplers in sigma form (Euler, Euler a, Heun): x = x0 + sigma·noise.
// Reference: diffusers EulerDiscreteScheduler.set_timesteps.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SIGMA_SCHEDULE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SIGMA_SCHEDULE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

struct SigmaSchedule {
  std::vector<double> sigmas;     // steps + 1, falling to the final one
  std::vector<double> timesteps;  // steps: what the network is told at each sigma
  double initial_scale = 1;

  int64_t steps() const { return static_cast<int64_t>(timesteps.size()); }

  // `default_spacing` where the configuration leaves it open.
  static SigmaSchedule From(const SamplerConfig& config, int64_t steps, Spacing default_spacing);

  // x as the network wants to see it at noise level sigma: of unit variance.
  static at::Tensor Scaled(const at::Tensor& x, double sigma);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SIGMA_SCHEDULE_H_
