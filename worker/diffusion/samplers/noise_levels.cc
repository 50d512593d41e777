#include "worker/diffusion/samplers/noise_levels.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/flow_levels.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

constexpr double kHalfPi = 1.57079632679489661923;

// Stands in for the infinite sigma of a last training step without signal. Reference: the same constant in
// diffusers.
constexpr double kSmallestAlpha = 1.0 / (1 << 24);
constexpr double kRounding = 1e-6;  // of timesteps that are counted down

// Training steps that lie below the noise a trajectory starts with. `table`: their sigmas.
int64_t Span(const SamplerConfig& config, const std::vector<double>& table, int64_t steps) {
  int64_t whole = std::llround(config.start * static_cast<double>(config.train_steps));
  while (whole > 1 && table[static_cast<size_t>(whole - 1)] > config.sigma_cap) --whole;
  whole = std::clamp<int64_t>(whole, 1, config.train_steps);
  if (steps <= whole) return whole;
  throw RequestError("start and the model's noise schedule leave " + std::to_string(whole) +
                     " training steps, too few for " + std::to_string(steps) + " steps");
}

double FinalSigmaOf(const SamplerConfig& config, double smallest) {
  return config.final_sigma == FinalSigma::kSigmaMin ? smallest : 0;
}

// Training steps below `span` that hold no more noise than lambda_min_clipped allows.
int64_t Unclipped(const SamplerConfig& c, const std::vector<double>& table, int64_t span) {
  while (span > 1 && -std::log(table[static_cast<size_t>(span - 1)]) < c.lambda_min_clipped) --span;
  return span;
}

// From `last` down by the stride of `steps` over `span`: fewer steps where the noisiest are left out.
std::vector<int64_t> TrailingTimesteps(int64_t last, int64_t span, int64_t steps) {
  std::vector<int64_t> timesteps;
  for (int64_t i = 0; i < steps; ++i) {
    const double t = CountedDown(last, span, steps, i);
    if (i > 0 && t < kRounding) break;
    timesteps.push_back(std::max<int64_t>(static_cast<int64_t>(std::nearbyint(t)) - 1, 0));
  }
  return timesteps;
}

// Whole training steps as the lambda form spaces them: steps + 1 without the last; the noisiest may be left
// out (lambda_min_clipped).
std::vector<int64_t> SolverTimesteps(const SamplerConfig& c, const std::vector<double>& table,
                                     int64_t steps) {
  const int64_t span = Span(c, table, steps);
  const int64_t last = Unclipped(c, table, span);
  const Spacing spacing = c.spacing.value_or(Spacing::kLinspace);
  if (spacing == Spacing::kTrailing) return TrailingTimesteps(last, span, steps);
  std::vector<int64_t> timesteps = IntegerTimesteps(spacing, last, steps + 1, c.steps_offset);
  timesteps.pop_back();
  return timesteps;
}

// The training step that the lambda form tells of a level that is spaced by sigma: rounded, but cut off where
// the spacing came to the reference later.
double WholeTimestep(const SamplerConfig& c, double sigma, const std::vector<double>& table) {
  const double t = TimestepOfSigma(sigma, table);
  const bool rounds = c.sigmas == SigmaSpacing::kKarras || c.sigmas == SigmaSpacing::kLu;
  return rounds ? std::nearbyint(t) : std::floor(t);
}

// Spells optimal spacing out, for those that know custom timesteps.
SamplerConfig WithOptimalAsCustom(SamplerConfig c, int64_t steps) {
  if (c.spacing == Spacing::kOptimal && c.custom_sigmas.empty()) {
    c.custom_timesteps = TrainingSteps(c, steps, Spacing::kLeading);
  }
  return c;
}

void RefuseRepeatedLevels(const NoiseLevels& levels) {
  for (size_t i = 1; i < levels.levels.size(); ++i) {
    const double here = levels[i].sigma * levels[i - 1].alpha, before = levels[i - 1].sigma * levels[i].alpha;
    // A last step that goes nowhere is what some spacings end with; solvers leave x as it is.
    if (here < before || (here == before && i + 1 == levels.levels.size())) continue;
    throw RequestError("this model has too few noise levels for " + std::to_string(levels.steps()) +
                       " steps of this sampler: ask for fewer steps");
  }
}

}  // namespace

std::vector<double> TrainingSigmas(const SamplerConfig& config) {
  if (config.form != NetworkForm::kDiscrete) return {};
  std::vector<double> alphas = AlphasCumprod(config);
  if (config.zero_terminal_snr) alphas.back() = kSmallestAlpha;
  return SigmaTable(alphas);
}

NoiseLevel LevelOfSigma(const SamplerConfig& config, double sigma, const std::vector<double>& sigma_table) {
  switch (config.form) {
    case NetworkForm::kExploding:
      return {1, sigma, sigma};
    case NetworkForm::kEdm:
      return {1, sigma, 0.25 * std::log(sigma)};
    case NetworkForm::kConsistency:
      return {1, sigma, 250 * std::log(sigma + 1e-44)};
    default:
      return {1, sigma, TimestepOfSigma(sigma, sigma_table)};
  }
}

std::vector<NoiseLevel> GeometricMiddles(const SamplerConfig& config, const NoiseLevels& levels,
                                         double (*end_of)(double from, double to)) {
  const std::vector<double> table = TrainingSigmas(config);
  std::vector<NoiseLevel> middles;
  for (size_t i = 0; i + 2 < levels.levels.size(); ++i) {
    const double from = levels[i].sigma, end = end_of(from, levels[i + 1].sigma);
    middles.push_back(LevelOfSigma(config, std::sqrt(from * end), table));
  }
  return middles;
}

NoiseLevels ContinuumLevels(const SamplerConfig& c, int64_t steps) {
  NoiseLevels result;
  const double n = static_cast<double>(steps);
  const auto add = [&](const NoiseLevel& level) { result.levels.push_back(level); };
  switch (c.form) {
    case NetworkForm::kExploding:
    case NetworkForm::kEdm: {
      const bool edm = c.form == NetworkForm::kEdm;
      const SigmaSpacing spacing = c.sigmas != SigmaSpacing::kPlain ? c.sigmas
                                   : edm                            ? SigmaSpacing::kKarras
                                                                    : SigmaSpacing::kExponential;
      const std::vector<double> sigmas =
          !c.custom_sigmas.empty()
              ? c.custom_sigmas
              : SpacedSigmas(spacing, *c.sigma_min, *c.sigma_max * c.start, steps, c.rho);
      for (int64_t i = 0; i < steps; ++i) add(LevelOfSigma(c, sigmas[static_cast<size_t>(i)], {}));
      add({1, c.custom_sigmas.empty() ? FinalSigmaOf(c, *c.sigma_min) : c.custom_sigmas.back(), 0});
      const double max = sigmas.front();
      result.initial_scale = edm ? std::sqrt(max * max + 1) : max;
      return result;
    }
    case NetworkForm::kFlow:
      return FlowLevels(c, steps);
    default:  // cosine
      for (int64_t i = 0; i < steps; ++i) {
        const double time = 1 - static_cast<double>(i) / n;
        const double angle = std::asin(std::pow(std::sin(time * kHalfPi), 2));
        add({std::cos(angle), std::sin(angle), angle / kHalfPi});
      }
      break;
  }
  add({1, 0, 0});
  return result;
}

NoiseLevels SigmaLevels(const SamplerConfig& config, int64_t steps, Spacing default_spacing) {
  if (config.form != NetworkForm::kDiscrete) return ContinuumLevels(config, steps);
  const SamplerConfig c = WithOptimalAsCustom(config, steps);
  const std::vector<double> table = TrainingSigmas(c);
  const Spacing spacing = c.spacing.value_or(default_spacing);
  std::vector<double> sigmas, timesteps;
  double last = FinalSigmaOf(c, table.front());
  if (!c.custom_sigmas.empty()) {
    sigmas.assign(c.custom_sigmas.begin(), c.custom_sigmas.end() - 1);
    last = c.custom_sigmas.back();
  } else {
    if (c.custom_timesteps.empty()) {
      timesteps = FractionalTimesteps(spacing, Span(c, table, steps), steps, c.steps_offset);
    } else {
      timesteps.assign(c.custom_timesteps.begin(), c.custom_timesteps.end());
    }
    for (const double t : timesteps) sigmas.push_back(Interpolate(table, t));
    // Over the whole table, one more than steps; the timesteps stay (reference).
    const bool log_linear = c.log_linear && c.custom_sigmas.empty();
    if (log_linear) {
      sigmas = SpacedSigmas(SigmaSpacing::kExponential, table.front(), table.back(),
                            static_cast<int64_t>(timesteps.size()) + 1, c.rho);
    }
    if (c.sigmas != SigmaSpacing::kPlain) {
      sigmas = SpacedSigmas(c.sigmas, c.spaced_min.value_or(sigmas.back()),
                            c.spaced_max.value_or(sigmas.front()), steps, c.rho);
      timesteps.clear();
    } else if (log_linear) {
      last = sigmas.back();
      sigmas.pop_back();
    }
  }
  NoiseLevels result;
  for (size_t i = 0; i < sigmas.size(); ++i) {
    NoiseLevel level = LevelOfSigma(c, sigmas[i], table);
    if (!timesteps.empty()) level.timestep = timesteps[i];
    if (c.rounds_timesteps && c.sigmas == SigmaSpacing::kKarras)
      level.timestep = std::nearbyint(level.timestep);
    result.levels.push_back(level);
  }
  result.levels.push_back({1, last, 0});
  RefuseRepeatedLevels(result);
  const double max = *std::max_element(sigmas.begin(), sigmas.end());
  result.initial_scale = spacing == Spacing::kLeading ? std::sqrt(max * max + 1) : max;
  return result;
}

NoiseLevels SolverLevels(const SamplerConfig& config, int64_t steps) {
  if (config.form == NetworkForm::kFlow) return FlowSolverLevels(config, steps);
  if (config.form != NetworkForm::kDiscrete) return ContinuumLevels(config, steps);
  const SamplerConfig c = WithOptimalAsCustom(config, steps);
  const std::vector<double> table = TrainingSigmas(c);
  NoiseLevels result;
  if (!c.custom_sigmas.empty()) {
    for (const double sigma : c.custom_sigmas) {
      result.levels.push_back(NoiseLevel::PreservingOfSigma(sigma, LevelOfSigma(c, sigma, table).timestep));
    }
    RefuseRepeatedLevels(result);
    return result;
  }
  if (c.sigmas == SigmaSpacing::kPlain) {
    const std::vector<int64_t> timesteps =
        c.custom_timesteps.empty() ? SolverTimesteps(c, table, steps) : c.custom_timesteps;
    for (const int64_t t : timesteps) {
      result.levels.push_back(
          NoiseLevel::PreservingOfSigma(table[static_cast<size_t>(t)], static_cast<double>(t)));
    }
  } else {
    const double min = c.spaced_min.value_or(table.front());
    const double max = c.spaced_max.value_or(table[static_cast<size_t>(Span(c, table, steps) - 1)]);
    for (const double sigma : SpacedSigmas(c.sigmas, min, max, steps, c.rho)) {
      result.levels.push_back(NoiseLevel::PreservingOfSigma(sigma, WholeTimestep(c, sigma, table)));
    }
  }
  result.levels.push_back(NoiseLevel::PreservingOfSigma(FinalSigmaOf(c, table.front()), 0));
  RefuseRepeatedLevels(result);
  return result;
}

NoiseLevels InverseSolverLevels(const SamplerConfig& c, int64_t steps) {
  const std::vector<double> table = TrainingSigmas(c);
  const int64_t unclipped = Unclipped(c, table, c.train_steps);
  std::vector<int64_t> timesteps;
  std::vector<double> sigmas;
  if (c.sigmas != SigmaSpacing::kPlain) {
    sigmas = SpacedSigmas(c.sigmas, table.front(), table.back(), steps, c.rho);
    std::reverse(sigmas.begin(), sigmas.end());
    for (const double sigma : sigmas) {
      timesteps.push_back(static_cast<int64_t>(WholeTimestep(c, sigma, table)));
    }
    sigmas.push_back(sigmas.back());
  } else {
    const Spacing spacing = c.spacing.value_or(Spacing::kLinspace);
    if (spacing == Spacing::kTrailing) {
      timesteps = TrailingTimesteps(unclipped, c.train_steps, steps);
    } else {
      timesteps = IntegerTimesteps(spacing, unclipped, steps + 1, c.steps_offset);
      timesteps.erase(timesteps.begin());
    }
    std::reverse(timesteps.begin(), timesteps.end());
    for (const int64_t t : timesteps) sigmas.push_back(table[static_cast<size_t>(t)]);
    sigmas.push_back(table[static_cast<size_t>(unclipped - 1)]);
  }
  // A training step that several levels fall on is asked about once, and as many levels fewer are walked
  // (reference).
  timesteps.erase(std::unique(timesteps.begin(), timesteps.end()), timesteps.end());
  NoiseLevels result;
  for (size_t i = 0; i <= timesteps.size(); ++i) {
    const double told = i < timesteps.size() ? static_cast<double>(timesteps[i]) : 0;
    result.levels.push_back(NoiseLevel::PreservingOfSigma(sigmas[i], told));
  }
  return result;
}

std::vector<int64_t> TrainingSteps(const SamplerConfig& c, int64_t steps, Spacing default_spacing) {
  if (!c.custom_timesteps.empty()) return c.custom_timesteps;
  const Spacing spacing = c.spacing.value_or(default_spacing);
  if (spacing != Spacing::kOptimal) {
    return IntegerTimesteps(spacing, Span(c, TrainingSigmas(c), steps), steps, c.steps_offset);
  }
  const auto found = c.optimal_timesteps.find(steps);
  if (found != c.optimal_timesteps.end()) return found->second;
  std::string known;
  for (const auto& [count, timesteps] : c.optimal_timesteps) {
    known += (known.empty() ? "" : ", ") + std::to_string(count);
  }
  throw RequestError(known.empty() ? "this model has no optimal timesteps: make them with mind-trajectory"
                                   : "this model has no optimal timesteps for " + std::to_string(steps) +
                                         " steps; it has them for " + known);
}

}  // namespace mind::diffusion
