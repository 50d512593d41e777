#include "worker/diffusion/samplers/denoised.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {

Denoised Estimate(Prediction prediction, const at::Tensor& output, const at::Tensor& x, double alpha,
                  double sigma) {
  switch (prediction) {
    case Prediction::kEpsilon:
      return {(x - sigma * output) / alpha, output};
    case Prediction::kSample:
      return {output, (x - alpha * output) / sigma};
    case Prediction::kVelocity:
      return {alpha * x - sigma * output, alpha * output + sigma * x};
  }
  return {};
}

at::Tensor Limit(const SamplerConfig& config, at::Tensor x0) {
  if (config.thresholding) {
    const double quantile = at::quantile(x0.abs().flatten(), config.threshold_ratio).item<double>();
    const double limit = std::min(std::max(quantile, 1.0), config.threshold_max);
    return x0.clamp(-limit, limit) / limit;
  }
  return config.clip ? x0.clamp(-config.clip_range, config.clip_range) : x0;
}

at::Tensor EstimateX0(Prediction prediction, const at::Tensor& output, const at::Tensor& x, double sigma) {
  switch (prediction) {
    case Prediction::kEpsilon:
      return x - sigma * output;
    case Prediction::kSample:
      return output;
    case Prediction::kVelocity:
      return output * (-sigma / std::sqrt(sigma * sigma + 1)) + x / (sigma * sigma + 1);
  }
  return {};
}

}  // namespace mind::diffusion
