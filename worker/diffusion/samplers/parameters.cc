#include "worker/diffusion/samplers/parameters.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/words.h"

namespace mind::diffusion {
namespace {

using ParameterKind = ParameterInfo::Kind;

constexpr double kMaxSigma = 1e4;

template <auto member>
Parameter NumberParameter(const char* name, double min, double max, const char* description) {
  return {{name, description, ParameterKind::kNumber, min, max, {}, 0, 0, {}},
          [](const SamplerConfig& c) -> ParameterValue { return c.*member; },
          [](SamplerConfig& c, const ParameterValue& v) { c.*member = std::get<double>(v); }};
}

template <auto member>
Parameter Integer(const char* name, double min, double max, const char* description) {
  return {{name, description, ParameterKind::kInteger, min, max, {}, 0, 0, {}},
          [](const SamplerConfig& c) -> ParameterValue { return static_cast<double>(c.*member); },
          [](SamplerConfig& c, const ParameterValue& v) {
            c.*member = static_cast<int64_t>(std::get<double>(v));
          }};
}

// An integer that a step takes as many evaluations of.
template <auto member>
Parameter Evaluations(const char* name, double min, double max, const char* description) {
  Parameter parameter = Integer<member>(name, min, max, description);
  parameter.info.evaluations_per_step = 1;
  return parameter;
}

template <auto member>
Parameter FlagParameter(const char* name, const char* description) {
  return {{name, description, ParameterKind::kFlag, 0, 0, {}, 0, 0, {}},
          [](const SamplerConfig& c) -> ParameterValue { return c.*member; },
          [](SamplerConfig& c, const ParameterValue& v) { c.*member = std::get<bool>(v); }};
}

template <auto& words>
std::vector<std::string> WordsOf() {
  std::vector<std::string> all;
  for (const auto& word : words) all.push_back(word.word);
  return all;
}

template <auto& words, typename Value>
std::string WordOf(const Value& value) {
  for (const auto& word : words) {
    if (word.value == value) return word.word;
  }
  return words[0].word;
}

template <auto& words>
auto ValueOf(const ParameterValue& value) {
  const auto found = std::find_if(std::begin(words), std::end(words), [&](const auto& word) {
    return word.word == std::get<std::string>(value);
  });
  return found->value;  // Apply has checked that it is there
}

template <auto member, auto& words>
Parameter Choice(const char* name, const char* description) {
  return {{name, description, ParameterKind::kChoice, 0, 0, WordsOf<words>(), 0, 0, {}},
          [](const SamplerConfig& c) -> ParameterValue { return WordOf<words>(c.*member); },
          [](SamplerConfig& c, const ParameterValue& v) { c.*member = ValueOf<words>(v); }};
}

constexpr Word<SigmaSpacing> kSchedules[] = {{"plain", SigmaSpacing::kPlain},
                                             {"karras", SigmaSpacing::kKarras},
                                             {"exponential", SigmaSpacing::kExponential},
                                             {"beta", SigmaSpacing::kBeta},
                                             {"lu", SigmaSpacing::kLu}};
constexpr Word<const char*> kAlgorithms[] = {{"dpmsolver++", "dpmsolver++"},
                                             {"dpmsolver", "dpmsolver"},
                                             {"sde-dpmsolver++", "sde-dpmsolver++"},
                                             {"sde-dpmsolver", "sde-dpmsolver"}};
constexpr Word<const char*> kSinglestepAlgorithms[] = {{"dpmsolver++", "dpmsolver++"},
                                                       {"dpmsolver", "dpmsolver"}};
constexpr Word<bool> kSolvers[] = {{"midpoint", false}, {"heun", true}};
constexpr Word<bool> kUniPcSolvers[] = {{"bh2", false}, {"bh1", true}};
constexpr Word<Predictor> kPredictors[] = {{"reverse_diffusion", Predictor::kReverseDiffusion},
                                           {"euler_maruyama", Predictor::kEulerMaruyama},
                                           {"ancestral", Predictor::kAncestral}};

std::string Shown(const ParameterValue& value) {
  std::ostringstream out;
  if (const bool* const flag = std::get_if<bool>(&value)) out << (*flag ? "true" : "false");
  if (const double* const number = std::get_if<double>(&value)) out << *number;
  if (const auto* const word = std::get_if<std::string>(&value)) out << '"' << *word << '"';
  if (const auto* const numbers = std::get_if<std::vector<double>>(&value)) {
    out << "a list of " << numbers->size() << " numbers";
  }
  return out.str();
}

std::string Allowed(const ParameterInfo& info) {
  std::ostringstream out;
  switch (info.kind) {
    case ParameterKind::kFlag:
      return "true or false";
    case ParameterKind::kInteger:
      out << "a whole number from " << info.min << " to " << info.max;
      break;
    case ParameterKind::kNumber:
      out << "a number from " << info.min << " to " << info.max;
      break;
    case ParameterKind::kNumbers:
      out << "a falling list of numbers from " << info.min << " to " << info.max;
      break;
    case ParameterKind::kChoice:
      out << "one of";
      for (size_t i = 0; i < info.choices.size(); ++i) out << (i == 0 ? " " : ", ") << info.choices[i];
      break;
  }
  return out.str();
}

bool Fits(const ParameterInfo& info, const ParameterValue& value) {
  const auto in_range = [&info](double number) { return number >= info.min && number <= info.max; };
  switch (info.kind) {
    case ParameterKind::kFlag:
      return std::holds_alternative<bool>(value);
    case ParameterKind::kNumber:
    case ParameterKind::kInteger: {
      const double* const number = std::get_if<double>(&value);
      return number != nullptr && in_range(*number) &&
             (info.kind == ParameterKind::kNumber || *number == std::floor(*number));
    }
    case ParameterKind::kChoice: {
      const auto* const word = std::get_if<std::string>(&value);
      return word != nullptr &&
             std::find(info.choices.begin(), info.choices.end(), *word) != info.choices.end();
    }
    case ParameterKind::kNumbers: {
      const auto* const numbers = std::get_if<std::vector<double>>(&value);
      return numbers != nullptr && static_cast<int64_t>(numbers->size()) > info.more_than_steps &&
             std::all_of(numbers->begin(), numbers->end(), in_range) &&
             std::adjacent_find(numbers->begin(), numbers->end(), std::less_equal<>()) == numbers->end();
    }
  }
  return false;
}

}  // namespace

ParameterInfo Parameter::Describe(const SamplerConfig& config) const {
  ParameterInfo described = info;
  described.default_value = get(config);
  return described;
}

void Parameter::Apply(const std::string& sampler, const ParameterValue& value, SamplerConfig& config) const {
  if (!Fits(info, value)) {
    throw RequestError("the parameter \"" + info.name + "\" of sampler \"" + sampler + "\" must be " +
                       Allowed(info) + ", given: " + Shown(value));
  }
  set(config, value);
}

namespace parameters {

const Parameter kEta =
    NumberParameter<&SamplerConfig::eta>("eta", 0, 1, "Fresh noise: 0 deterministic, 1 as noisy as DDPM");
const Parameter kGamma = NumberParameter<&SamplerConfig::eta>(
    "gamma", 0, 1, "How much of each step's noise is fresh: 0 none, 1 all");
const Parameter kClipped = FlagParameter<&SamplerConfig::use_clipped_output>(
    "use_clipped_output", "Derive the noise again from the clipped estimate");
const Parameter kVariance =
    Choice<&SamplerConfig::variance, kVariances>("variance", "Variance of the noise added");
const Parameter kSpacing = {
    {"spacing",
     "How steps are spread over the training steps",
     ParameterKind::kChoice,
     0,
     0,
     WordsOf<kSpacings>(),
     0,
     0,
     {}},
    [](const SamplerConfig& c) -> ParameterValue {
      return WordOf<kSpacings>(c.spacing.value_or(Spacing::kLeading));
    },
    [](SamplerConfig& c, const ParameterValue& v) { c.spacing = ValueOf<kSpacings>(v); }};
const Parameter kStart = NumberParameter<&SamplerConfig::start>(
    "start", 0.001, 1, "Where the noise starts, as a fraction of the training steps (truncated diffusion)");
const Parameter kTimesteps = {
    {"timesteps",
     "Training steps to visit, instead of a step count",
     ParameterKind::kNumbers,
     0,
     1e6,
     {},
     0,
     0,
     {}},
    [](const SamplerConfig& c) -> ParameterValue {
      return std::vector<double>(c.custom_timesteps.begin(), c.custom_timesteps.end());
    },
    [](SamplerConfig& c, const ParameterValue& v) {
      c.custom_timesteps.clear();
      for (const double t : std::get<std::vector<double>>(v)) {
        if (t != std::floor(t) || t >= static_cast<double>(c.train_steps)) {
          throw RequestError("timesteps must be whole numbers below " + std::to_string(c.train_steps) +
                             ", given: " + Shown(t));
        }
        c.custom_timesteps.push_back(static_cast<int64_t>(t));
      }
    }};
const Parameter kSchedule =
    Choice<&SamplerConfig::sigmas, kSchedules>("schedule", "How noise levels are spread");
const Parameter kSigmas = {
    {"sigmas",
     "Noise levels to visit, the last included, instead of a step count",
     ParameterKind::kNumbers,
     0,
     kMaxSigma,
     {},
     1,
     0,
     {}},
    [](const SamplerConfig& c) -> ParameterValue { return c.custom_sigmas; },
    [](SamplerConfig& c, const ParameterValue& v) { c.custom_sigmas = std::get<std::vector<double>>(v); }};
const Parameter kFinalSigma =
    Choice<&SamplerConfig::final_sigma, kFinalSigmas>("final_sigma", "Where the last step ends");
const Parameter kChurn =
    NumberParameter<&SamplerConfig::churn>("churn", 0, 1000, "Noise stirred in, over all steps");
const Parameter kChurnMin =
    NumberParameter<&SamplerConfig::churn_min>("churn_min", 0, kMaxSigma, "Smallest sigma that is stirred");
const Parameter kChurnMax =
    NumberParameter<&SamplerConfig::churn_max>("churn_max", 0, kMaxSigma, "Largest sigma that is stirred");
const Parameter kNoise =
    NumberParameter<&SamplerConfig::noise_scale>("noise", 0, 2, "Factor on all noise added");
const Parameter kOrder = Integer<&SamplerConfig::solver_order>("order", 1, 3, "Order of the solver");
const Parameter kAlgorithm = Choice<&SamplerConfig::algorithm, kAlgorithms>(
    "algorithm", "What is extrapolated: x0 (++) or noise; as an ODE or an SDE");
const Parameter kSinglestepAlgorithm = Choice<&SamplerConfig::algorithm, kSinglestepAlgorithms>(
    "algorithm", "What is extrapolated: x0 (++) or noise");
const Parameter kSolver =
    Choice<&SamplerConfig::solver_heun, kSolvers>("solver", "Kind of the second-order step");
const Parameter kUniPcSolver = Choice<&SamplerConfig::solver_bh1, kUniPcSolvers>("solver", "Kind of B(h)");
const Parameter kPredictX0 =
    FlagParameter<&SamplerConfig::predict_x0>("predict_x0", "Extrapolate x0 instead of noise");
const Parameter kCorrector =
    FlagParameter<&SamplerConfig::corrector>("corrector", "Correct every step by the next evaluation");
const Parameter kLowerOrderFinal =
    FlagParameter<&SamplerConfig::lower_order_final>("lower_order_final", "Lower orders in the last steps");
const Parameter kEulerAtFinal =
    FlagParameter<&SamplerConfig::euler_at_final>("euler_at_final", "First order in the last step");
const Parameter kRungeKuttaStart = {
    {"runge_kutta_start",
     "Start with three steps of four evaluations",
     ParameterKind::kFlag,
     0,
     0,
     {},
     0,
     0,
     {}},
    [](const SamplerConfig& c) -> ParameterValue { return !c.skip_prk; },
    [](SamplerConfig& c, const ParameterValue& v) { c.skip_prk = !std::get<bool>(v); }};
const Parameter kThresholding = FlagParameter<&SamplerConfig::thresholding>(
    "thresholding", "Dynamic thresholding of the estimate; for pixel models");
const Parameter kThresholdRatio = NumberParameter<&SamplerConfig::threshold_ratio>(
    "threshold_ratio", 0.5, 1, "Quantile that dynamic thresholding keeps");
const Parameter kThresholdMax = NumberParameter<&SamplerConfig::threshold_max>(
    "threshold_max", 1, 100, "Largest value that dynamic thresholding allows");
const Parameter kOriginalSteps =
    Integer<&SamplerConfig::original_steps>("original_steps", 1, 1000, "Steps of the teacher");
const Parameter kPredictor =
    Choice<&SamplerConfig::predictor, kPredictors>("predictor", "How a step of the SDE is taken");
const Parameter kCorrectorSteps =
    Evaluations<&SamplerConfig::corrector_steps>("corrector_steps", 0, 10, "Langevin steps at each level");
const Parameter kSnr =
    NumberParameter<&SamplerConfig::snr>("snr", 0.001, 1, "Signal-to-noise ratio of a corrector step");
const Parameter kAnnealedCorrector = FlagParameter<&SamplerConfig::annealed_corrector>(
    "annealed_corrector", "Corrector steps sized by the noise level instead of the gradient");
const Parameter kLangevinSteps =
    Evaluations<&SamplerConfig::langevin_steps>("langevin_steps", 1, 200, "Langevin steps at each level");
const Parameter kLangevinRate = NumberParameter<&SamplerConfig::langevin_rate>(
    "langevin_rate", 1e-6, 1, "Size of a Langevin step, in units of sigma squared");
const Parameter kRelativeTolerance = NumberParameter<&SamplerConfig::relative_tolerance>(
    "relative_tolerance", 1e-6, 1, "Error allowed, relative to x");
const Parameter kAbsoluteTolerance = NumberParameter<&SamplerConfig::absolute_tolerance>(
    "absolute_tolerance", 1e-6, 1, "Error allowed, whatever x");
const Parameter kFirstStep =
    NumberParameter<&SamplerConfig::first_step>("first_step", 1e-4, 1, "First step size to try");
const Parameter kDenoiseAtEnd =
    FlagParameter<&SamplerConfig::denoise_at_end>("denoise_at_end", "Take off the noise left at the end");

}  // namespace parameters
}  // namespace mind::diffusion
