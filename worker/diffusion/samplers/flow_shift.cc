#include "worker/diffusion/samplers/flow_shift.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

double OnLine(double x0, double y0, double x1, double y1, double x) {
  const double slope = (y1 - y0) / (x1 - x0);
  return x * slope + (y0 - slope * x0);
}

// Two lines over the tokens, for 10 and for 200 steps, and a line between those over the steps. Of pictures
// with more tokens than were fitted for few steps the second holds for any number.
double Flux2Mu(double tokens, double steps) {
  constexpr double kMostFitted = 4300;
  const double at_200 = 0.00016927 * tokens + 0.45666666;
  if (tokens > kMostFitted) return at_200;
  const double at_10 = 8.73809524e-05 * tokens + 1.89833333;
  return OnLine(10, at_10, 200, at_200, steps);
}

}  // namespace

SamplerConfig OfPicture(SamplerConfig config, at::IntArrayRef latent_shape) {
  if (config.form == NetworkForm::kFlow && latent_shape.size() == 3) {
    const int64_t patch = config.flow.patch;
    config.flow.tokens = (latent_shape[1] / patch) * (latent_shape[2] / patch);
  }
  return config;
}

double FlowShiftOf(const FlowConfig& c, int64_t steps) {
  const auto tokens = static_cast<double>(c.tokens);
  if (c.mu == FlowMu::kFlux2) return Flux2Mu(tokens, static_cast<double>(steps));
  return OnLine(static_cast<double>(c.base_tokens), c.base_shift, static_cast<double>(c.max_tokens),
                c.max_shift, tokens);
}

double ShiftedBy(double shift, double sigma) {
  return shift * sigma / (1 + (shift - 1) * sigma);
}

double Shifted(const FlowConfig& c, int64_t steps, double sigma) {
  constexpr double kLeastLinear = 1e-6;  // a line may lead below 0, where there is no such shift
  if (!c.dynamic) return ShiftedBy(c.shift, sigma);
  const double mu = FlowShiftOf(c, steps);
  const double factor = c.linear_shift ? std::max(mu, kLeastLinear) : std::exp(mu);
  return factor / (factor + (1 / sigma - 1));
}

}  // namespace mind::diffusion
