#include "worker/diffusion/samplers/noise_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr double kPi = 3.14159265358979323846;

at::Tensor Betas(const SamplerConfig& c) {
  const auto linspace = [&c](double start, double end) {
    return at::linspace(start, end, c.train_steps, at::kFloat);
  };
  if (!c.trained_betas.empty()) return at::tensor(c.trained_betas, at::kFloat);
  if (c.beta_schedule == "linear") return linspace(c.beta_start, c.beta_end);
  if (c.beta_schedule == "scaled_linear")
    return linspace(std::sqrt(c.beta_start), std::sqrt(c.beta_end)).pow(2);
  if (c.beta_schedule == "sigmoid") {
    return at::sigmoid(linspace(-6, 6)) * (c.beta_end - c.beta_start) + c.beta_start;
  }
  if (c.beta_schedule == "squaredcos_cap_v2") {
    const auto alpha_bar = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * kPi / 2), 2); };
    std::vector<double> betas;
    const double n = static_cast<double>(c.train_steps);
    for (int64_t i = 0; i < c.train_steps; ++i) {
      const double t = static_cast<double>(i);
      betas.push_back(std::min(1 - alpha_bar((t + 1) / n) / alpha_bar(t / n), 0.999));
    }
    return at::tensor(betas, at::kFloat);
  }
  throw ModelError("the noise schedule \"" + c.beta_schedule +
                   "\" is not supported; supported: linear, scaled_linear, squaredcos_cap_v2, sigmoid");
}

// Shifts and scales sqrt(alpha bar) so that the last step is pure noise.
at::Tensor RescaledToZeroTerminalSnr(const at::Tensor& betas) {
  at::Tensor root = (1 - betas).cumprod(0).sqrt();
  const at::Tensor first = root[0].clone();
  const at::Tensor last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  const at::Tensor bar = root.pow(2);
  const at::Tensor alphas = at::cat({bar.slice(0, 0, 1), bar.slice(0, 1) / bar.slice(0, 0, -1)});
  return 1 - alphas;
}

std::vector<double> ToVector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  const double* const data = values.data_ptr<double>();
  return {data, data + values.numel()};
}

}  // namespace

std::vector<double> AlphasCumprod(const SamplerConfig& config) {
  at::Tensor betas = Betas(config);
  if (config.zero_terminal_snr) betas = RescaledToZeroTerminalSnr(betas);
  return ToVector((1 - betas).cumprod(0));
}

std::vector<double> SigmaTable(const std::vector<double>& alphas_cumprod) {
  std::vector<double> sigmas;
  for (const double alpha : alphas_cumprod) sigmas.push_back(std::sqrt((1 - alpha) / alpha));
  return sigmas;
}

std::vector<double> FractionalTimesteps(Spacing spacing, int64_t train_steps, int64_t steps, int64_t offset) {
  std::vector<double> timesteps;
  const double n = static_cast<double>(train_steps);
  for (int64_t i = 0; i < steps; ++i) {
    const double k = static_cast<double>(steps - 1 - i);  // noisiest first
    switch (spacing) {
      case Spacing::kLinspace:
        timesteps.push_back(steps == 1 ? 0 : k * (n - 1) / static_cast<double>(steps - 1));
        break;
      case Spacing::kLeading:
        timesteps.push_back(k * static_cast<double>(train_steps / steps) + static_cast<double>(offset));
        break;
      case Spacing::kTrailing:
        timesteps.push_back(std::nearbyint(n - static_cast<double>(i) * n / static_cast<double>(steps)) - 1);
        break;
    }
  }
  return timesteps;
}

std::vector<int64_t> IntegerTimesteps(Spacing spacing, int64_t train_steps, int64_t steps, int64_t offset) {
  std::vector<int64_t> timesteps;
  for (const double t : FractionalTimesteps(spacing, train_steps, steps, offset)) {
    timesteps.push_back(std::min(static_cast<int64_t>(std::nearbyint(t)), train_steps - 1));
  }
  return timesteps;
}

double Interpolate(const std::vector<double>& table, double index) {
  const double last = static_cast<double>(table.size() - 1);
  if (index <= 0) return table.front();
  if (index >= last) return table.back();
  const size_t low = static_cast<size_t>(index);
  const double weight = index - static_cast<double>(low);
  return table[low] + weight * (table[low + 1] - table[low]);
}

double TimestepOfSigma(double sigma, const std::vector<double>& sigma_table) {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  size_t low = 0;  // the last entry not above sigma
  while (low + 2 < sigma_table.size() && std::log(sigma_table[low + 1]) <= log_sigma) ++low;
  const double log_low = std::log(sigma_table[low]);
  const double log_high = std::log(sigma_table[low + 1]);
  const double weight = std::clamp((log_low - log_sigma) / (log_low - log_high), 0.0, 1.0);
  return static_cast<double>(low) + weight;
}

std::vector<double> KarrasSigmas(double min, double max, int64_t n) {
  constexpr double kRho = 7;
  const double low = std::pow(min, 1 / kRho);
  const double high = std::pow(max, 1 / kRho);
  std::vector<double> sigmas;
  for (int64_t i = 0; i < n; ++i) {
    const double ramp = n == 1 ? 0 : static_cast<double>(i) / static_cast<double>(n - 1);
    sigmas.push_back(std::pow(high + ramp * (low - high), kRho));
  }
  return sigmas;
}

}  // namespace mind::diffusion
