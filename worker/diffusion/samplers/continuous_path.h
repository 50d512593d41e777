// The diffusion process in continuous time: dx = drift·x dt + sqrt(diffusion) dw, from data at t = 0 to noise
// at t = 1. Song et al. 2021 (score-based SDEs), eq. 9, 11 and app. B.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_CONTINUOUS_PATH_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_CONTINUOUS_PATH_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/parametrization.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// Of a network with discrete training steps: a smooth curve through their log alphas, training step i lying
// at t = (i + 1) / train_steps.
class ContinuousPath {
 public:
  // REQUIRES: config.form is kDiscrete, kContinuous or kExploding
  explicit ContinuousPath(const SamplerConfig& config);

  double start() const { return start_; }  // where samplers begin: 1, unless truncated
  double end() const { return end_; }      // where they stop: the network knows nothing below
  double initial_scale() const;            // of unit noise, at start()

  NoiseLevel At(double t) const;
  double Drift(double t) const;      // factor of x
  double Diffusion(double t) const;  // g²
  // The score where the network made this estimate.
  static at::Tensor Score(const Denoised& estimate, const NoiseLevel& level) {
    return estimate.noise * (-1 / level.sigma);
  }
  // The right-hand side of the probability-flow ODE (eq. 13).
  at::Tensor Slope(const at::Tensor& x, const Denoised& estimate, double t) const;

  // The process cut into n even steps, as it was trained: step k of them takes x to
  // (1 + shrink)·x + sqrt(variance)·noise (app. E, eq. 33).
  struct Discretised {
    double shrink = 0, variance = 0;
    double alpha = 1;  // of the step, by which correctors scale theirs
  };
  Discretised StepOf(int64_t k, int64_t n) const;

 private:
  // log alpha and its derivative in t, of the variance-preserving forms.
  struct LogAlpha {
    double value = 0, slope = 0;
  };
  LogAlpha LogAlphaAt(double t) const;
  double SigmaAt(double t) const;  // kExploding

  SamplerConfig config_;
  double start_ = 1, end_ = 0;
  std::vector<double> log_alphas_;  // kDiscrete: at t = 0, 1/N, 2/N … 1
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_CONTINUOUS_PATH_H_
