// What a denoiser is trained by: noise or velocity, predicted at random noise levels. Ho et al. 2020, eq. 14;
// velocity: Salimans & Ho 2022, app. D; min-SNR weighting: Hang et al. 2023, eq. 6.
#ifndef MIND_WORKER_TRAINING_DENOISING_LOSS_H_
#define MIND_WORKER_TRAINING_DENOISING_LOSS_H_

#include <ATen/ATen.h>

#include <functional>

#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/training/random.h"

namespace mind::training {

class DenoisingLoss {
 public:
  // x_t float [B, C, h, w] and t float [B] → what the network says, as x_t.
  using Predict = std::function<at::Tensor(const at::Tensor& noisy, const at::Tensor& t)>;

  // `scheduler`: a scheduler_config.json. `min_snr`: 0 for no weighting. Throws diffusion::ModelError where
  // it predicts neither noise nor velocity.
  DenoisingLoss(const diffusion::Config& scheduler, double min_snr, at::Device device);

  // E w(t) |target - f(α x0 + σ ε, t)|², t spread evenly over the batch. x0 float [B, C, h, w].
  at::Tensor operator()(const at::Tensor& x0, StepRandom& random, const Predict& predict) const;

 private:
  bool velocity_ = false;
  double min_snr_;
  at::Tensor signal_, noise_;  // float [T]: α and σ
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_DENOISING_LOSS_H_
