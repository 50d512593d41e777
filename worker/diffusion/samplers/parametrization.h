// What a network is shown of a noisy picture, and how its answer is read.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETRIZATION_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETRIZATION_H_

#include <ATen/ATen.h>

#include "worker/diffusion/samplers/evaluator.h"
#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// The network's answer at one noise level, x = alpha·x0 + sigma·noise.
struct Denoised {
  at::Tensor x0;         // limited where the configuration says so
  at::Tensor noise;      // what is left of x beside x0: (x - alpha·x0) / sigma
  at::Tensor raw_noise;  // the same before x0 was limited
  at::Tensor variance;   // where the network predicts one: as it came
  at::Tensor lead;  // the gradient that shifts the mean of this step (Sampler::shifts_mean); or undefined
};

// x as the network wants to see it, scaled to the variance it was trained with.
at::Tensor NetworkInput(const SamplerConfig& config, const at::Tensor& x, const NoiseLevel& level);

// What the network is told of a level.
double LevelTold(const SamplerConfig& config, const NoiseLevel& level);

// Epsilon, x0, velocity (Salimans & Ho 2022, app. D: v = alpha·noise - sigma·x0), score (Song et al. 2021),
// preconditioned (Karras et al. 2022, eq. 7 and table 1), consistency function (Song et al. 2023, eq. 5),
// flow velocity (Lipman et al. 2023: v = noise - x0).
Denoised Estimate(const SamplerConfig& config, const at::Tensor& output, const at::Tensor& x,
                  const NoiseLevel& level);

// Clips or dynamically thresholds an estimate of x0 as the configuration says.
at::Tensor Limit(const SamplerConfig& config, at::Tensor x0);

// Estimate() of one evaluation:    const Denoised d = co_await Denoise(config, evaluate, x, level);
class Denoise {
 public:
  Denoise(const SamplerConfig& config, Evaluator& evaluate, at::Tensor x, const NoiseLevel& level)
      : config_(config),
        x_(std::move(x)),
        level_(level),
        evaluation_(evaluate(NetworkInput(config, x_, level), LevelTold(config, level))) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  Denoised await_resume() const {
    Denoised result = Estimate(config_, evaluation_.await_resume(), x_, level_);
    result.lead = evaluation_.TakeLead();
    return result;
  }

 private:
  const SamplerConfig& config_;
  at::Tensor x_;
  NoiseLevel level_;
  Evaluator::Evaluation evaluation_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETRIZATION_H_
