#include "worker/diffusion/samplers/scheduler_classes.h"

#include <initializer_list>

namespace mind::diffusion {
namespace {

using namespace scheduler_keys;

using Keys = std::vector<SchedulerKey>;

Keys operator+(Keys keys, const Keys& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

// A key that is known and says nothing on its own.
SchedulerKey Idle(const char* name) {
  return {name, nullptr};
}

Keys Betas() {
  return {kTrainSteps, kBetaStart, kBetaEnd, kBetaSchedule, kTrainedBetas};
}

Keys Spread() {
  return {kSpacing, kStepsOffset};
}

Keys Thresholding() {
  return {kThresholding, kThresholdRatio, kThresholdMax};
}

Keys Clip() {
  return {kClip, kClipRange};
}

Keys Sigmas() {
  return {kKarras, kExponential, kBeta};
}

// Of a solver with a flow form, which `flow` asks for.
Keys FlowOf(const SchedulerKey& flow) {
  return {kFlowOrOther, flow, kFlowShift, kDynamicShifting, kSolverTimeShift};
}

// What flow-match classes share.
Keys FlowMatch() {
  return {kTrainSteps, kShift,         kDynamicShifting, kTimeShift, kBaseShift,   kMaxShift, kBaseTokens,
          kMaxTokens,  kShiftTerminal, kInvertSigmas,    kKarras,    kExponential, kBeta};
}

// What Euler, Heun and their kind share.
Keys SigmaForm() {
  return Betas() + Spread() + Keys{kPrediction};
}

// What DPM-Solver's multistep classes share.
Keys Multistep() {
  return Betas() + Spread() + Thresholding() + Sigmas() + Keys{kSolverOrder,      kAlgorithm,    kSolver,
                                                               kLowerOrderFinal,  kEulerAtFinal, kLambdaMin,
                                                               kPredictedVariance};
}

Keys Edm() {
  return {kTrainSteps,    kSigmaMin,        kSigmaMax, kSigmaData,
          kSigmaSchedule, kNoiseOrVelocity, kRho,      kFinalSigmas};
}

Keys Students() {
  return SigmaForm() + Thresholding() + Clip() +
         Keys{kOriginalSteps, kTimestepScaling, kAlphaToOne, kZeroTerminalSnr};
}

void SetSigmas(SamplerConfig& c, double min, double max) {
  c.sigma_min = min;
  c.sigma_max = max;
}

void ClipByDefault(SamplerConfig& c) {
  c.clip = true;
}

void EdmDefaults(SamplerConfig& c) {
  SetSigmas(c, 0.002, 80);
}

// The betas that these classes take for granted are Stable Diffusion's.
void StableDiffusionBetas(SamplerConfig& c) {
  c.beta_start = 0.00085;
  c.beta_end = 0.012;
}

void Kdpm2Defaults(SamplerConfig& c) {
  StableDiffusionBetas(c);
  c.rounds_timesteps = true;
}

void StudentDefaults(SamplerConfig& c) {
  StableDiffusionBetas(c);
  c.beta_schedule = "scaled_linear";
}

std::vector<SchedulerClass> ChainClasses() {
  return {
      {"DDPMScheduler", NetworkForm::kDiscrete,
       SigmaForm() + Thresholding() + Clip() + Keys{kVariance, kZeroTerminalSnr}, ClipByDefault},
      {"UnCLIPScheduler", NetworkForm::kDiscrete,
       Clip() + Keys{kTrainSteps, kCosineSchedule, kNoiseOrSample, kUnclipVariance},
       [](SamplerConfig& c) {
         ClipByDefault(c);
         c.beta_schedule = "squaredcos_cap_v2";
         c.spacing = Spacing::kLinspace;
         c.variance = Variance::kFixedSmallLog;
         c.from_betas = true;
       }},
      {"DDIMScheduler", NetworkForm::kDiscrete,
       SigmaForm() + Thresholding() + Clip() + Keys{kAlphaToOne, kZeroTerminalSnr}, ClipByDefault},
      {"DDIMInverseScheduler", NetworkForm::kDiscrete,
       Betas() + Clip() +
           Keys{kInverseSpacing, kStepsOffset, kPrediction, kAlphaToOne, kAlphaToZero, kZeroTerminalSnr},
       ClipByDefault, /*samples=*/false},
      {"PNDMScheduler", NetworkForm::kDiscrete,
       Betas() + Spread() + Keys{kNoiseOrVelocity, kSkipPrk, kAlphaToOne}},
      {"RePaintScheduler", NetworkForm::kDiscrete, Betas() + Keys{kEta, kClip}, ClipByDefault,
       /*samples=*/false},
  };
}

std::vector<SchedulerClass> SigmaClasses() {
  return {
      {"EulerDiscreteScheduler", NetworkForm::kDiscrete,
       SigmaForm() + Sigmas() +
           Keys{kSpacedMin, kSpacedMax, kInterpolation, kTimestepType, kZeroTerminalSnr, kFinalSigmas}},
      {"EDMEulerScheduler", NetworkForm::kEdm, Edm(), EdmDefaults},
      {"FlowMatchEulerDiscreteScheduler", NetworkForm::kFlow, FlowMatch() + Keys{kStochasticSampling}},
      {"FlowMatchHeunDiscreteScheduler", NetworkForm::kFlow, {kTrainSteps, kShift}},
      {"EulerAncestralDiscreteScheduler", NetworkForm::kDiscrete, SigmaForm() + Keys{kZeroTerminalSnr}},
      {"HeunDiscreteScheduler", NetworkForm::kDiscrete, SigmaForm() + Sigmas() + Clip(),
       StableDiffusionBetas},
      {"LMSDiscreteScheduler", NetworkForm::kDiscrete, SigmaForm() + Sigmas()},
      {"KDPM2DiscreteScheduler", NetworkForm::kDiscrete, SigmaForm() + Sigmas(), Kdpm2Defaults},
      {"KDPM2AncestralDiscreteScheduler", NetworkForm::kDiscrete, SigmaForm() + Sigmas(), Kdpm2Defaults},
      {"DPMSolverSDEScheduler", NetworkForm::kDiscrete, SigmaForm() + Sigmas() + Keys{kNoiseSamplerSeed},
       StableDiffusionBetas},
      {"IPNDMScheduler",
       NetworkForm::kCosine,
       {kTrainSteps, kNoTrainedBetas},
       [](SamplerConfig& c) { c.prediction = Prediction::kVelocity; }},
  };
}

std::vector<SchedulerClass> SolverClasses() {
  return {
      {"DPMSolverMultistepScheduler", NetworkForm::kDiscrete,
       Multistep() + FlowOf(kDpmSolverFlow) + Keys{kLu, kFinalSigmas, kZeroTerminalSnr}},
      {"DPMSolverMultistepInverseScheduler", NetworkForm::kDiscrete,
       Multistep() + Keys{kPrediction, kNoFlowSigmas, Idle("flow_shift")}, nullptr, /*samples=*/false},
      {"EDMDPMSolverMultistepScheduler", NetworkForm::kEdm,
       Edm() + Thresholding() + Keys{kSolverOrder, kEdmAlgorithm, kSolver, kLowerOrderFinal, kEulerAtFinal},
       EdmDefaults},
      {"DPMSolverSinglestepScheduler", NetworkForm::kDiscrete,
       Betas() + Thresholding() + Sigmas() + FlowOf(kDpmSolverFlow) +
           Keys{kSolverOrder, kSinglestepAlgorithm, kSolver, kLowerOrderFinal, kFinalSigmas, kLambdaMin,
                kPredictedVariance},
       [](SamplerConfig& c) { c.lower_order_final = false; }},
      {"UniPCMultistepScheduler", NetworkForm::kDiscrete,
       Betas() + Spread() + Thresholding() + Sigmas() + FlowOf(kUniPcFlow) +
           Keys{kSolverOrder, kPredictX0, kUniPcSolver, kLowerOrderFinal, kDisableCorrector, kSolverP,
                kFinalSigmas, kZeroTerminalSnr, kSpacedMin, kSpacedMax, kShiftTerminal}},
      {"DEISMultistepScheduler", NetworkForm::kDiscrete,
       Betas() + Spread() + Thresholding() + Sigmas() + FlowOf(kDeisFlow) +
           Keys{kSolverOrder, kDeisAlgorithm, kDeisSolver, kLowerOrderFinal},
       [](SamplerConfig& c) { c.final_sigma = FinalSigma::kSigmaMin; }},
  };
}

std::vector<SchedulerClass> ScoreAndStudentClasses() {
  return {
      {"ScoreSdeVeScheduler",
       NetworkForm::kExploding,
       {kTrainSteps, kSnr, kSigmaMin, kSigmaMax, kSamplingEps, kCorrectSteps},
       [](SamplerConfig& c) {
         SetSigmas(c, 0.01, 1348);
         c.train_steps = 2000;
         c.time_end = 1e-5;
         c.corrector_steps = 1;
       }},
      {"ScoreSdeVpScheduler",
       NetworkForm::kContinuous,
       {kTrainSteps, kBetaMin, kBetaMax, kSamplingEps},
       [](SamplerConfig& c) {
         c.train_steps = 2000;
         c.predictor = Predictor::kEulerMaruyama;
       }},
      {"LCMScheduler", NetworkForm::kDiscrete, Students(), StudentDefaults},
      {"FlowMatchLCMScheduler", NetworkForm::kFlow,
       FlowMatch() + Keys{kNoScaleFactors, Idle("upscale_mode")}},
      {"TCDScheduler", NetworkForm::kDiscrete, Students(),
       [](SamplerConfig& c) {
         StudentDefaults(c);
         c.eta = 0.3;
       }},
      {"CMStochasticIterativeScheduler",
       NetworkForm::kConsistency,
       {kTrainSteps, kSigmaMin, kSigmaMax, kSigmaData, kNoiseScale, kRho, kClipDenoised},
       [](SamplerConfig& c) {
         EdmDefaults(c);
         ClipByDefault(c);
         c.train_steps = 40;
       }},
  };
}

}  // namespace

const std::vector<SchedulerClass>& SchedulerClasses() {
  static const std::vector<SchedulerClass>* const classes = [] {
    auto* const all = new std::vector<SchedulerClass>;
    for (const auto& part : {ChainClasses(), SigmaClasses(), SolverClasses(), ScoreAndStudentClasses()}) {
      all->insert(all->end(), part.begin(), part.end());
    }
    return all;
  }();
  return *classes;
}

const SchedulerClass* FindSchedulerClass(const std::string& name) {
  for (const SchedulerClass& one : SchedulerClasses()) {
    if (name == one.name) return &one;
  }
  return nullptr;
}

std::string SamplingClassNames() {
  std::string names;
  for (const SchedulerClass& one : SchedulerClasses()) {
    if (one.samples) names += (names.empty() ? "" : ", ") + std::string(one.name);
  }
  return names;
}

}  // namespace mind::diffusion
