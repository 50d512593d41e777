// From what a denoiser predicts to estimates of x0 and of the noise, for x = sqrt(a)·x0 + sqrt(1 - a)·noise.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DENOISED_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DENOISED_H_

#include <ATen/ATen.h>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

struct Denoised {
  at::Tensor x0;
  at::Tensor epsilon;
};

// `alpha` is sqrt(a), `sigma` is sqrt(1 - a). Velocity: Salimans & Ho 2022, app. D: v = alpha·noise -
// sigma·x0.
Denoised Estimate(Prediction prediction, const at::Tensor& output, const at::Tensor& x, double alpha,
                  double sigma);

// Clips or dynamically thresholds an estimate of x0 as the configuration says.
at::Tensor Limit(const SamplerConfig& config, at::Tensor x0);

// x0 in the variance-exploding form x = x0 + sigma·noise, where the network saw x / sqrt(sigma² + 1).
at::Tensor EstimateX0(Prediction prediction, const at::Tensor& output, const at::Tensor& x, double sigma);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DENOISED_H_
