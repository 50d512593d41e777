// What a sampler can be told beside its step count: names, ranges, defaults.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETERS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETERS_H_

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

using ParameterValue = std::variant<bool, double, std::string, std::vector<double>>;
// By name.
using SamplerParameters = std::map<std::string, ParameterValue>;

struct ParameterInfo {
  enum class Kind { kFlag, kInteger, kNumber, kChoice, kNumbers };

  std::string name;
  std::string description;
  Kind kind = Kind::kNumber;
  double min = 0, max = 0;           // of kInteger, kNumber and each of kNumbers, both allowed
  std::vector<std::string> choices;  // of kChoice
  // Of kNumbers, which stand in for the step count: how many more of them there are than steps.
  int64_t more_than_steps = 0;
  double evaluations_per_step = 0;  // a step takes more for each 1 that this is more
  ParameterValue default_value;     // what holds where a request says nothing

  bool operator==(const ParameterInfo&) const = default;
};

// One thing that can be set: its description, and where it lives in the configuration.
struct Parameter {
  ParameterInfo info;  // without the default, which the configuration holds
  ParameterValue (*get)(const SamplerConfig&);
  void (*set)(SamplerConfig&, const ParameterValue&);

  ParameterInfo Describe(const SamplerConfig& config) const;
  // Throws RequestError saying what was given and what is allowed. `sampler` is for the message.
  void Apply(const std::string& sampler, const ParameterValue& value, SamplerConfig& config) const;
};

// All there are; samplers name those they read.
namespace parameters {
extern const Parameter kEta, kGamma, kClipped, kVariance, kSpacing, kStart, kTimesteps, kSchedule, kSigmas,
    kFinalSigma, kChurn, kChurnMin, kChurnMax, kNoise, kOrder, kAlgorithm, kSinglestepAlgorithm, kSolver,
    kUniPcSolver, kPredictX0, kCorrector, kLowerOrderFinal, kEulerAtFinal, kRungeKuttaStart, kThresholding,
    kThresholdRatio, kThresholdMax, kOriginalSteps, kPredictor, kCorrectorSteps, kSnr, kAnnealedCorrector,
    kLangevinSteps, kLangevinRate, kRelativeTolerance, kAbsoluteTolerance, kFirstStep, kDenoiseAtEnd;
}  // namespace parameters

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_PARAMETERS_H_
