#include "worker/diffusion/samplers/flow_levels.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

constexpr double kLeastSignal = 1e-6;  // of a solver's first level (reference)

// n levels on the line from `first` to `last`, which would be the one after `intervals`. Rounded as
// numpy.linspace does: it decides what whole timestep some levels have.
std::vector<double> LevelRamp(double first, double last, int64_t intervals, int64_t n) {
  const double step = intervals > 0 ? (last - first) / static_cast<double>(intervals) : 0;
  std::vector<double> ramp;
  for (int64_t i = 0; i < n; ++i)
    ramp.push_back(i > 0 && i == intervals ? last : static_cast<double>(i) * step + first);
  return ramp;
}

bool IsSolver(FlowLayout layout) {
  return layout != FlowLayout::kTable && layout != FlowLayout::kSteps;
}

// The smallest level but none of the training table, as the flow-match classes shift it.
double LeastTrained(const SamplerConfig& c) {
  const double least = 1 / static_cast<double>(c.train_steps);
  return c.flow.dynamic ? least : ShiftedBy(c.flow.shift, least);
}

// Before they are shifted, noisiest first.
std::vector<double> PlainSigmas(const SamplerConfig& c, int64_t steps) {
  const double train = static_cast<double>(c.train_steps);
  switch (c.flow.layout) {
    case FlowLayout::kTable:
      return LevelRamp(1, LeastTrained(c), steps - 1, steps);
    case FlowLayout::kSteps:
      return LevelRamp(1, 1 / static_cast<double>(steps), steps - 1, steps);
    case FlowLayout::kUniPc:
      return LevelRamp(1, 1 / train, steps, steps);
    default: {
      std::vector<double> sigmas = LevelRamp(1, 1 / train, steps, steps + 1);
      for (double& sigma : sigmas) sigma = 1 - sigma;
      std::reverse(sigmas.begin(), sigmas.end());
      sigmas.pop_back();
      return sigmas;
    }
  }
}

std::vector<double> CustomFlowSigmas(const SamplerConfig& c) {
  std::vector<double> sigmas;
  if (!c.custom_sigmas.empty()) {
    if (c.custom_sigmas.front() > 1)
      throw RequestError("sigmas must be at most 1 for a model of this kind, given: " +
                         std::to_string(c.custom_sigmas.front()));
    return {c.custom_sigmas.begin(), c.custom_sigmas.end() - 1};
  }
  for (const int64_t t : c.custom_timesteps) {
    if (t < 1) throw RequestError("timesteps must be at least 1 for a model of this kind");
    sigmas.push_back(static_cast<double>(t) / static_cast<double>(c.train_steps));
  }
  return sigmas;
}

// Stretched so that the last is `terminal`.
void StretchTo(double terminal, std::vector<double>& sigmas) {
  const double left = 1 - sigmas.back();
  if (left <= 0) return;  // one step, from the first level
  const double scale = left / (1 - terminal);
  for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
}

// Of the beta schedule that the solvers' classes have beside the flow.
std::vector<double> TrainedSigmas(const SamplerConfig& c) {
  return SigmaTable(AlphasCumprod(c));
}

// Spread otherwise: the flow-match classes' between the ends that they have, the solvers' over the table of
// the beta schedule, exploding, which no shift acts on.
std::vector<double> SpreadOut(const SamplerConfig& c, const std::vector<double>& shifted, int64_t steps) {
  if (!IsSolver(c.flow.layout)) return SpacedSigmas(c.sigmas, shifted.back(), shifted.front(), steps, c.rho);
  const std::vector<double> table = TrainedSigmas(c);
  std::vector<double> sigmas = SpacedSigmas(c.sigmas, table.front(), table.back(), steps, c.rho);
  for (double& sigma : sigmas) sigma /= 1 + sigma;
  return sigmas;
}

// Where the last step ends, from `last`.
double EndOfFlow(const SamplerConfig& c, int64_t steps, double last) {
  if (!c.custom_sigmas.empty()) return std::min(last, Shifted(c.flow, steps, c.custom_sigmas.back()));
  if (c.final_sigma == FinalSigma::kZero) return 0;
  switch (c.flow.layout) {
    case FlowLayout::kTable:
    case FlowLayout::kSteps:
      return std::min(last, LeastTrained(c));
    case FlowLayout::kUniPc:
      return c.sigmas == SigmaSpacing::kPlain ? last : std::min(last, TrainedSigmas(c).front());
    case FlowLayout::kDpmSolver:
      return std::min(last, TrainedSigmas(c).front());
    case FlowLayout::kDeis:
      break;
  }
  return last;
}

}  // namespace

NoiseLevels FlowLevels(const SamplerConfig& c, int64_t steps) {
  const double train = static_cast<double>(c.train_steps);
  const bool solver = IsSolver(c.flow.layout);
  std::vector<double> sigmas = CustomFlowSigmas(c);
  const bool custom = !sigmas.empty();
  if (!custom) sigmas = PlainSigmas(c, steps);
  for (double& sigma : sigmas) sigma = Shifted(c.flow, steps, sigma);
  if (c.flow.shift_terminal) StretchTo(*c.flow.shift_terminal, sigmas);
  if (!custom && c.sigmas != SigmaSpacing::kPlain) sigmas = SpreadOut(c, sigmas, steps);
  if (c.flow.layout == FlowLayout::kUniPc) sigmas.front() = std::min(sigmas.front(), 1 - kLeastSignal);

  NoiseLevels result;
  for (size_t i = 0; i < sigmas.size(); ++i) {
    const double sigma = static_cast<float>(sigmas[i]);
    double told = solver ? std::floor(sigmas[i] * train) : (c.flow.inverted ? 1 - sigma : sigma) * train;
    if (i < c.custom_timesteps.size()) told = static_cast<double>(c.custom_timesteps[i]);
    result.levels.push_back({1 - sigma, sigma, told});
  }
  const double last = static_cast<float>(EndOfFlow(c, steps, sigmas.back()));
  result.levels.push_back({1 - last, last, c.flow.inverted ? (1 - last) * train : last * train});
  return result;
}

NoiseLevels FlowSolverLevels(const SamplerConfig& config, int64_t steps) {
  NoiseLevels result = FlowLevels(config, steps);
  NoiseLevel& first = result.levels.front();
  if (first.alpha < kLeastSignal) first = {kLeastSignal, 1 - kLeastSignal, first.timestep};
  return result;
}

}  // namespace mind::diffusion
