#include "worker/diffusion/samplers/noise_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <charconv>
#include <cmath>
#include <numbers>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

at::Tensor PlainBetas(const SamplerConfig& c) {
  const at::ScalarType precision = c.double_precision ? at::kDouble : at::kFloat;
  const auto linspace = [&](double start, double end) {
    return at::linspace(start, end, c.train_steps, precision);
  };
  if (!c.trained_betas.empty()) return at::tensor(c.trained_betas, precision);
  if (c.beta_schedule == "linear") return linspace(c.beta_start, c.beta_end);
  if (c.beta_schedule == "scaled_linear")
    return linspace(std::sqrt(c.beta_start), std::sqrt(c.beta_end)).pow(2);
  if (c.beta_schedule == "sigmoid") {
    return at::sigmoid(linspace(-6, 6)) * (c.beta_end - c.beta_start) + c.beta_start;
  }
  if (c.beta_schedule == "squaredcos_cap_v2" || c.beta_schedule == "exp") {
    const bool cosine = c.beta_schedule != "exp";
    const auto alpha_bar = [cosine](double t) {
      return cosine ? std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2) : std::exp(-12 * t);
    };
    std::vector<double> betas;
    const double n = static_cast<double>(c.train_steps);
    for (int64_t i = 0; i < c.train_steps; ++i) {
      const double t = static_cast<double>(i);
      betas.push_back(std::min(1 - alpha_bar((t + 1) / n) / alpha_bar(t / n), 0.999));
    }
    return at::tensor(betas, precision);
  }
  throw ModelError("the noise schedule \"" + c.beta_schedule +
                   "\" is not supported; supported: linear, scaled_linear, squaredcos_cap_v2, sigmoid, exp");
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

at::Tensor BetaTensor(const SamplerConfig& config) {
  const at::Tensor betas = PlainBetas(config);
  return config.zero_terminal_snr ? RescaledToZeroTerminalSnr(betas) : betas;
}

}  // namespace

std::vector<double> Betas(const SamplerConfig& config) {
  return ToVector(BetaTensor(config));
}

std::vector<double> AlphasCumprod(const SamplerConfig& config) {
  return ToVector((1 - BetaTensor(config)).cumprod(0));
}

std::vector<double> SigmaTable(const std::vector<double>& alphas_cumprod) {
  std::vector<double> sigmas;
  for (const double alpha : alphas_cumprod) sigmas.push_back(std::sqrt((1 - alpha) / alpha));
  return sigmas;
}

double CountedDown(int64_t from, int64_t span, int64_t steps, int64_t i) {
  const double start = static_cast<double>(from);
  const double step = (start - static_cast<double>(span) / static_cast<double>(steps)) - start;
  return start + static_cast<double>(i) * step;
}

std::vector<double> FractionalTimesteps(Spacing spacing, int64_t train_steps, int64_t steps, int64_t offset) {
  std::vector<double> timesteps;
  const double n = static_cast<double>(train_steps);
  for (int64_t i = 0; i < steps; ++i) {
    const double k = static_cast<double>(steps - 1 - i);  // noisiest first
    switch (spacing) {
      case Spacing::kOptimal:  // only TrainingSteps knows those
      case Spacing::kLinspace:
        timesteps.push_back(steps == 1 ? 0 : i == 0 ? n - 1 : k * ((n - 1) / static_cast<double>(steps - 1)));
        break;
      case Spacing::kLeading:
        timesteps.push_back(k * static_cast<double>(train_steps / steps) + static_cast<double>(offset));
        break;
      case Spacing::kTrailing:
        timesteps.push_back(std::nearbyint(CountedDown(train_steps, train_steps, steps, i)) - 1);
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
  // The last entry not above sigma, of those that have one behind them; the table rises.
  const auto above = std::partition_point(sigma_table.begin() + 1, sigma_table.end() - 1,
                                          [&](double entry) { return std::log(entry) <= log_sigma; });
  const auto low = static_cast<size_t>(above - sigma_table.begin() - 1);
  const double log_low = std::log(sigma_table[low]);
  const double log_high = std::log(sigma_table[low + 1]);
  const double weight = std::clamp((log_low - log_sigma) / (log_low - log_high), 0.0, 1.0);
  return static_cast<double>(low) + weight;
}

std::vector<double> SpacedSigmas(SigmaSpacing spacing, double min, double max, int64_t n, double rho) {
  constexpr double kBetaShape = 0.6;
  const double low = std::pow(min, 1 / rho);
  const double high = std::pow(max, 1 / rho);
  std::vector<double> sigmas;
  for (int64_t i = 0; i < n; ++i) {
    const double ramp = n == 1 ? 0 : static_cast<double>(i) / static_cast<double>(n - 1);
    switch (spacing) {
      case SigmaSpacing::kKarras:
        sigmas.push_back(std::pow(high + ramp * (low - high), rho));
        break;
      case SigmaSpacing::kBeta:
        sigmas.push_back(min + boost::math::ibeta_inv(kBetaShape, kBetaShape, 1 - ramp) * (max - min));
        break;
      default:
        sigmas.push_back(std::exp(std::log(max) + ramp * (std::log(min) - std::log(max))));
        break;
    }
  }
  sigmas.front() = max;  // without the rounding of going there and back
  if (n > 1) sigmas.back() = min;
  return sigmas;
}

std::vector<int64_t> RespacedTimesteps(const std::string& sections, int64_t train_steps) {
  const auto bad = [&]() {
    return ModelError("the timestep respacing \"" + sections + "\" does not fit " +
                      std::to_string(train_steps) +
                      " steps; supported: counts like \"100\" or \"10,10,8\", " + "\"ddimN\", \"fast27\"");
  };
  if (sections == "fast27") {
    std::vector<int64_t> steps = RespacedTimesteps("10,10,3,2,2", train_steps);
    steps.back() = train_steps - 3;  // "to reduce DDIM artifacts from the noisiest timesteps" (reference)
    return steps;
  }
  const auto number = [&](const std::string& text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1) throw bad();
    return value;
  };
  std::vector<int64_t> steps;
  if (sections.starts_with("ddim")) {
    const int64_t count = number(sections.substr(4));
    for (int64_t stride = 1; stride < train_steps; ++stride) {
      if ((train_steps + stride - 1) / stride != count) continue;
      for (int64_t t = 0; t < train_steps; t += stride) steps.push_back(t);
      return steps;
    }
    throw bad();
  }
  std::vector<int64_t> counts;
  for (size_t begin = 0; begin <= sections.size();) {
    const size_t end = std::min(sections.find(',', begin), sections.size());
    counts.push_back(number(sections.substr(begin, end - begin)));
    begin = end + 1;
  }
  const int64_t parts = static_cast<int64_t>(counts.size());
  int64_t first = 0;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t size = train_steps / parts + (i < train_steps % parts ? 1 : 0);
    const int64_t count = counts[static_cast<size_t>(i)];
    if (count > size) throw bad();
    const double stride = count == 1 ? 1 : static_cast<double>(size - 1) / static_cast<double>(count - 1);
    double position = 0;  // summed up as the reference does: its rounding decides a few steps
    for (int64_t k = 0; k < count; ++k, position += stride) {
      steps.push_back(first + static_cast<int64_t>(std::nearbyint(position)));
    }
    first += size;
  }
  return steps;
}

}  // namespace mind::diffusion
