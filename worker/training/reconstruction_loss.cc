#include "worker/training/reconstruction_loss.h"

namespace mind::training {
namespace {

// Differences of neighbours, down and across.
at::Tensor GradientLoss(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor d = x - y;
  return (d.slice(2, 1) - d.slice(2, 0, -1)).abs().mean() + (d.slice(3, 1) - d.slice(3, 0, -1)).abs().mean();
}

}  // namespace

ReconstructionLoss::ReconstructionLoss(const Options& options, at::Device device)
    : options_(options),
      perceptual_(options.perceptual_classifier.empty()
                      ? nullptr
                      : std::make_unique<const PerceptualDistance>(options.perceptual_classifier, device)) {}

at::Tensor ReconstructionLoss::operator()(const at::Tensor& x, const at::Tensor& y) const {
  const at::Tensor loss =
      (x - y).abs().mean() + at::mse_loss(y, x) + options_.gradient_weight * GradientLoss(x, y);
  return perceptual_ ? loss + options_.perceptual_weight * (*perceptual_)(x, y) : loss;
}

}  // namespace mind::training
