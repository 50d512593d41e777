#include "worker/diffusion/samplers/continuous_path.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

constexpr double kContinuousScale =
    999;  // of time, as the networks were told it (score_sde, models/utils.py)
constexpr double kSmallestAlphaCumprod = 1e-8;  // where the last training step holds no signal at all

}  // namespace

ContinuousPath::ContinuousPath(const SamplerConfig& config)
    : config_(config), start_(config.start), end_(config.time_end) {
  if (config.form != NetworkForm::kDiscrete) return;
  end_ = std::max(end_, 1 / static_cast<double>(config.train_steps));
  log_alphas_ = {0};
  for (const double a : AlphasCumprod(config)) {
    log_alphas_.push_back(std::log(std::max(a, kSmallestAlphaCumprod)) / 2);
  }
}

double ContinuousPath::initial_scale() const {
  return config_.form == NetworkForm::kExploding ? SigmaAt(start_) : 1;
}

double ContinuousPath::SigmaAt(double t) const {
  return *config_.sigma_min * std::pow(*config_.sigma_max / *config_.sigma_min, t);
}

ContinuousPath::LogAlpha ContinuousPath::LogAlphaAt(double t) const {
  if (config_.form == NetworkForm::kContinuous) {
    const double rise = config_.beta_max - config_.beta_min;
    return {-0.25 * t * t * rise - 0.5 * t * config_.beta_min, -0.5 * (config_.beta_min + t * rise)};
  }
  // Monotone cubic Hermite (Fritsch & Carlson 1980): through every training step, never rising, and with a
  // continuous slope, which is what step size control needs.
  const double n = static_cast<double>(log_alphas_.size() - 1);
  const double position = std::clamp(t * n, 0.0, n);
  const size_t low = std::min(static_cast<size_t>(position), log_alphas_.size() - 2);
  const auto slope = [this](size_t i) {
    const double before = i > 0 ? log_alphas_[i] - log_alphas_[i - 1] : log_alphas_[1] - log_alphas_[0];
    const double after = i + 1 < log_alphas_.size() ? log_alphas_[i + 1] - log_alphas_[i] : before;
    return before < 0 && after < 0 ? 2 * before * after / (before + after) : 0;
  };
  const double u = position - static_cast<double>(low);
  const double a = log_alphas_[low], b = log_alphas_[low + 1];
  const double da = slope(low), db = slope(low + 1);
  const double value = a * (1 + 2 * u) * (1 - u) * (1 - u) + b * u * u * (3 - 2 * u) +
                       da * u * (1 - u) * (1 - u) - db * u * u * (1 - u);
  const double derivative = 6 * u * (1 - u) * (b - a) + da * (1 - u) * (1 - 3 * u) + db * u * (3 * u - 2);
  return {value, derivative * n};
}

NoiseLevel ContinuousPath::At(double t) const {
  if (config_.form == NetworkForm::kExploding) return {1, SigmaAt(t), SigmaAt(t)};
  const double log_alpha = LogAlphaAt(t).value;
  const double timestep = config_.form == NetworkForm::kContinuous
                              ? kContinuousScale * t
                              : t * static_cast<double>(config_.train_steps) - 1;
  if (config_.form == NetworkForm::kContinuous && !config_.double_precision) {
    // In float32, as the reference: close to t = 0 it cancels, and its rounding shows.
    return {std::exp(log_alpha), std::sqrt(1 - std::exp(2 * static_cast<float>(log_alpha))), timestep};
  }
  return {std::exp(log_alpha), std::sqrt(-std::expm1(2 * log_alpha)), timestep};
}

double ContinuousPath::Drift(double t) const {
  return config_.form == NetworkForm::kExploding ? 0 : LogAlphaAt(t).slope;
}

double ContinuousPath::Diffusion(double t) const {
  if (config_.form != NetworkForm::kExploding) return -2 * LogAlphaAt(t).slope;
  const double sigma = SigmaAt(t);
  return 2 * sigma * sigma * std::log(*config_.sigma_max / *config_.sigma_min);
}

at::Tensor ContinuousPath::Slope(const at::Tensor& x, const Denoised& estimate, double t) const {
  return Drift(t) * x - 0.5 * Diffusion(t) * Score(estimate, At(t));
}

ContinuousPath::Discretised ContinuousPath::StepOf(int64_t k, int64_t n) const {
  const auto time = [n](int64_t i) {
    return n == 1 ? 1 : static_cast<double>(i) / static_cast<double>(n - 1);
  };
  if (config_.form == NetworkForm::kExploding) {
    const double sigma = SigmaAt(time(k));
    const double below = k > 0 ? SigmaAt(time(k - 1)) : 0;
    return {0, sigma * sigma - below * below, 1};
  }
  const double beta = std::min(Diffusion(time(k)) / static_cast<double>(n), 0.999);
  return {std::sqrt(1 - beta) - 1, beta, 1 - beta};
}

}  // namespace mind::diffusion
