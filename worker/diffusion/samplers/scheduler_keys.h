// The keys of a scheduler_config.json, each with how it is read. Which class has which: scheduler_classes.h.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_KEYS_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_KEYS_H_

#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct SchedulerKey {
  const char* name;
  // Null: the class knows the key, but in the reference, too, it says nothing, or something only beside
  // another that is refused. Throws ModelError naming key and value.
  void (*read)(const Config&, SamplerConfig&);
};

// Where classes read one key differently, each way has its own entry.
namespace scheduler_keys {
// What the network was trained on.
extern const SchedulerKey kTrainSteps, kBetaStart, kBetaEnd, kBetaSchedule, kCosineSchedule, kTrainedBetas,
    kNoTrainedBetas, kZeroTerminalSnr, kPrediction, kNoiseOrVelocity, kNoiseOrSample, kBetaMin, kBetaMax,
    kSigmaMin, kSigmaMax, kSigmaData, kRho, kTimestepType, kSamplingEps, kOriginalSteps, kTimestepScaling;
// How steps and noise levels are spread.
extern const SchedulerKey kSpacing, kInverseSpacing, kStepsOffset, kAlphaToOne, kAlphaToZero, kKarras, kLu,
    kExponential, kBeta, kSigmaSchedule, kInterpolation, kSpacedMin, kSpacedMax, kFinalSigmas, kLambdaMin;
// Of the estimate of x0.
extern const SchedulerKey kClip, kClipDenoised, kClipRange, kThresholding, kThresholdRatio, kThresholdMax;
// What one rule is told.
extern const SchedulerKey kVariance, kUnclipVariance, kPredictedVariance, kSkipPrk, kEta, kSolverOrder,
    kAlgorithm, kSinglestepAlgorithm, kEdmAlgorithm, kDeisAlgorithm, kSolver, kUniPcSolver, kDeisSolver,
    kPredictX0, kDisableCorrector, kLowerOrderFinal, kEulerAtFinal, kNoiseScale, kSnr, kCorrectSteps;
// Of rectified flows: what noise levels they were trained on, and the flow forms of the solvers.
extern const SchedulerKey kShift, kFlowShift, kShiftTerminal, kInvertSigmas, kStochasticSampling,
    kDynamicShifting, kTimeShift, kSolverTimeShift, kBaseShift, kMaxShift, kBaseTokens, kMaxTokens,
    kFlowOrOther, kUniPcFlow, kDpmSolverFlow, kDeisFlow;
// What is refused unless it says what holds here anyway.
extern const SchedulerKey kSolverP, kNoiseSamplerSeed, kNoFlowSigmas, kNoScaleFactors;
}  // namespace scheduler_keys

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_KEYS_H_
