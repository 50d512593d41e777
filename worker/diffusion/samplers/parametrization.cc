#include "worker/diffusion/samplers/parametrization.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

bool PreservesVariance(NetworkForm form) {
  return form == NetworkForm::kDiscrete || form == NetworkForm::kContinuous || form == NetworkForm::kCosine;
}

double Square(double value) {
  return value * value;
}

// sqrt(alpha² + sigma²): x has unit variance after division by it, if x0 has.
double Norm(const NoiseLevel& level) {
  return level.alpha == 1 ? std::sqrt(1 + Square(level.sigma)) : 1;
}

// The raw estimate of x0.
at::Tensor EstimateX0(const SamplerConfig& c, const at::Tensor& output, const at::Tensor& x,
                      const NoiseLevel& level) {
  const double alpha = level.alpha, sigma = level.sigma;
  switch (c.form) {
    case NetworkForm::kDiscrete:
    case NetworkForm::kContinuous:
    case NetworkForm::kCosine:
      break;
    case NetworkForm::kExploding:
      return x + Square(sigma) * output;
    case NetworkForm::kEdm: {
      const double total = Square(sigma) + Square(c.sigma_data);
      const double sign = c.prediction == Prediction::kVelocity ? -1 : 1;
      return x * (Square(c.sigma_data) / total) + output * (sign * sigma * c.sigma_data / std::sqrt(total));
    }
    case NetworkForm::kConsistency: {
      const double above = sigma - *c.sigma_min;
      const double skip = Square(c.sigma_data) / (Square(above) + Square(c.sigma_data));
      const double out = above * c.sigma_data / std::sqrt(Square(sigma) + Square(c.sigma_data));
      return output * out + x * skip;
    }
    case NetworkForm::kFlow:
      return c.flow.inverted ? x + sigma * output : x - sigma * output;
  }
  switch (c.prediction) {
    case Prediction::kEpsilon:
      return (x - sigma * output) / alpha;
    case Prediction::kSample:
      return output;
    case Prediction::kVelocity: {
      const double norm = Norm(level);
      return x * (alpha / Square(norm)) - output * (sigma / norm);
    }
  }
  return {};
}

// The noise that goes with x0, without the cancellation of subtracting x0 from x where there is a shorter
// way.
at::Tensor EstimateNoise(const SamplerConfig& c, const at::Tensor& output, const at::Tensor& x,
                         const NoiseLevel& level, const at::Tensor& x0) {
  if (PreservesVariance(c.form) && c.prediction == Prediction::kEpsilon) return output;
  if (PreservesVariance(c.form) && c.prediction == Prediction::kVelocity) {
    const double norm = Norm(level);
    return x * (level.sigma / Square(norm)) + output * (level.alpha / norm);
  }
  if (c.form == NetworkForm::kExploding) return output * -level.sigma;
  if (c.form == NetworkForm::kFlow)
    return c.flow.inverted ? x - level.alpha * output : x + level.alpha * output;
  return level.sigma > 0 ? (x - level.alpha * x0) / level.sigma : at::zeros_like(x);
}

}  // namespace

at::Tensor NetworkInput(const SamplerConfig& config, const at::Tensor& x, const NoiseLevel& level) {
  switch (config.form) {
    case NetworkForm::kEdm:
    case NetworkForm::kConsistency:
      return x / std::sqrt(Square(level.sigma) + Square(config.sigma_data));
    case NetworkForm::kExploding:
    case NetworkForm::kFlow:
      return x;
    default:
      return level.alpha == 1 && level.sigma > 0 ? x / Norm(level) : x;
  }
}

double LevelTold(const SamplerConfig& config, const NoiseLevel& level) {
  return config.continuous_timesteps ? 0.25 * std::log(level.sigma / level.alpha) : level.timestep;
}

Denoised Estimate(const SamplerConfig& config, const at::Tensor& output, const at::Tensor& x,
                  const NoiseLevel& level) {
  Denoised result;
  at::Tensor prediction = output;
  const int64_t channel_dim = x.dim() - 3;
  if (x.dim() >= 3 && output.size(channel_dim) == 2 * x.size(channel_dim)) {
    const auto halves = output.chunk(2, channel_dim);
    prediction = halves[0];
    result.variance = halves[1];
  }
  result.x0 = EstimateX0(config, prediction, x, level);
  result.raw_noise = EstimateNoise(config, prediction, x, level, result.x0);
  result.noise = result.raw_noise;
  if (config.clip || config.thresholding) {
    result.x0 = Limit(config, result.x0);
    if (level.sigma > 0) result.noise = (x - level.alpha * result.x0) / level.sigma;
  }
  return result;
}

at::Tensor Limit(const SamplerConfig& config, at::Tensor x0) {
  if (config.thresholding) {
    const double quantile = at::quantile(x0.abs().flatten(), config.threshold_ratio).item<double>();
    const double limit = std::min(std::max(quantile, 1.0), config.threshold_max);
    return x0.clamp(-limit, limit) / limit;
  }
  return config.clip ? x0.clamp(-config.clip_range, config.clip_range) : x0;
}

}  // namespace mind::diffusion
