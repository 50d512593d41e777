// How far the noise levels of a rectified-flow model are shifted towards the noisy end: a larger picture
// needs more noise before as little is left to see of it. Esser et al. 2024 (Stable Diffusion 3), sec. 5.3.2.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_SHIFT_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_SHIFT_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// The configuration for pictures of this latent shape, [C, h, w]: a shift by size goes by them.
SamplerConfig OfPicture(SamplerConfig config, at::IntArrayRef latent_shape);

// mu of a shift by size. Reference: diffusers' calculate_shift, compute_empirical_mu.
double FlowShiftOf(const FlowConfig& config, int64_t steps);

// A level from 0 to 1, shifted as a trajectory of so many steps has it. 0 and 1 stay where they are.
double Shifted(const FlowConfig& config, int64_t steps, double sigma);
// By the fixed shift of the configuration, whatever the picture.
double ShiftedBy(double shift, double sigma);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_SHIFT_H_
