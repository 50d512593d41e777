#include "worker/training/denoising_loss.h"

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::training {

DenoisingLoss::DenoisingLoss(const diffusion::Config& scheduler, double min_snr, at::Device device)
    : min_snr_(min_snr) {
  const diffusion::SamplerConfig schedule = diffusion::SamplerConfig::From(scheduler);
  if (schedule.prediction == diffusion::Prediction::kSample)
    scheduler.Unsupported("prediction_type", "epsilon, v_prediction");
  velocity_ = schedule.prediction == diffusion::Prediction::kVelocity;
  const at::Tensor alphas = at::tensor(diffusion::AlphasCumprod(schedule), at::kDouble);
  signal_ = alphas.sqrt().to(device, at::kFloat);
  noise_ = (1 - alphas).sqrt().to(device, at::kFloat);
}

at::Tensor DenoisingLoss::operator()(const at::Tensor& x0, StepRandom& random, const Predict& predict) const {
  const int64_t rows = x0.size(0), steps = signal_.size(0);
  const at::Tensor spread = (at::arange(rows) + random.Uniform({rows})) / static_cast<double>(rows);
  const at::Tensor t = (spread * steps).to(at::kLong).clamp(0, steps - 1).to(x0.device());
  const at::Tensor signal = signal_.index({t}).view({-1, 1, 1, 1}),
                   noise = noise_.index({t}).view({-1, 1, 1, 1});
  const at::Tensor epsilon = random.Normal(x0.sizes()).to(x0.device());
  const at::Tensor predicted = predict(signal * x0 + noise * epsilon, t.to(at::kFloat));
  const at::Tensor target = velocity_ ? signal * epsilon - noise * x0 : epsilon;
  const at::Tensor squares = (predicted - target).square().mean({1, 2, 3});
  if (min_snr_ == 0) return squares.mean();
  const at::Tensor snr = (signal / noise.clamp_min(1e-6)).square().flatten();
  return (squares * snr.clamp_max(min_snr_) / (velocity_ ? snr + 1 : snr.clamp_min(1e-6))).mean();
}

}  // namespace mind::training
