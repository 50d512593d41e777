// The noise levels of rectified-flow models: alpha = 1 - sigma.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LEVELS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LEVELS_H_

#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// As the configuration lays them out, shifts them and spreads them between their ends; its custom levels or
// timesteps are shifted likewise, and custom timesteps told as they are. Sigmas are rounded to float32, as
// the reference keeps them: next to pure noise that decides what alpha is. Throws RequestError for custom
// levels that are no flow's. Reference: set_timesteps of the classes in flow_config.h.
NoiseLevels FlowLevels(const SamplerConfig& config, int64_t steps);

// The same for rules in lambda form, which need some signal in the first level.
NoiseLevels FlowSolverLevels(const SamplerConfig& config, int64_t steps);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_LEVELS_H_
