// The keys of rectified flows in a scheduler_config.json.
#include "worker/diffusion/samplers/scheduler_keys.h"
#include "worker/diffusion/samplers/scheduler_values.h"

namespace mind::diffusion {
namespace {

constexpr char kFlowFlag[] = "use_flow_sigmas", kPredictionKey[] = "prediction_type";
constexpr char kDynamicFlag[] = "use_dynamic_shifting", kTimeShiftKey[] = "time_shift_type";
constexpr char kFlowPrediction[] = "flow_prediction";

// A solver's flow form: both keys say that the network is of that kind.
void ReadFlowFlag(const Config& f, FlowLayout layout, SamplerConfig& c) {
  if (!Flag(f, kFlowFlag, false)) return;
  if (f.String(kPredictionKey, "") != kFlowPrediction)
    f.Unsupported(kFlowFlag, "false, or true where prediction_type is flow_prediction");
  c.form = NetworkForm::kFlow;
  c.flow.layout = layout;
}

void ReadMu(const Config& f, const char* key, double& mu) {
  mu = Within(f, key, mu, -10, 10);
}

}  // namespace

namespace scheduler_keys {

const SchedulerKey kShift = {"shift", [](const Config& f, SamplerConfig& c) {
                               c.flow.shift = Within(f, "shift", c.flow.shift, 1e-3, 1e3);
                             }};
const SchedulerKey kFlowShift = {"flow_shift", [](const Config& f, SamplerConfig& c) {
                                   c.flow.shift = Within(f, "flow_shift", c.flow.shift, 1e-3, 1e3);
                                 }};
const SchedulerKey kShiftTerminal = {"shift_terminal", [](const Config& f, SamplerConfig& c) {
                                       if (!f.Unset("shift_terminal"))
                                         c.flow.shift_terminal = Within(f, "shift_terminal", 0, 1e-6, 0.999);
                                     }};
const SchedulerKey kInvertSigmas = {"invert_sigmas", [](const Config& f, SamplerConfig& c) {
                                      c.flow.inverted = Flag(f, "invert_sigmas", false);
                                    }};
const SchedulerKey kStochasticSampling = {"stochastic_sampling", [](const Config& f, SamplerConfig& c) {
                                            // The same class's levels, by the rule of another.
                                            if (Flag(f, "stochastic_sampling", false))
                                              c.class_name = "FlowMatchLCMScheduler";
                                          }};
const SchedulerKey kDynamicShifting = {
    kDynamicFlag, [](const Config& f, SamplerConfig& c) { c.flow.dynamic = Flag(f, kDynamicFlag, false); }};
const SchedulerKey kTimeShift = {kTimeShiftKey, [](const Config& f, SamplerConfig& c) {
                                   constexpr const char* kWords[] = {"exponential", "linear"};
                                   c.flow.linear_shift = OneOf(f, kTimeShiftKey, kWords) == "linear";
                                 }};
const SchedulerKey kSolverTimeShift = {kTimeShiftKey, [](const Config& f, SamplerConfig&) {
                                         constexpr const char* kWords[] = {"exponential"};
                                         if (Flag(f, kDynamicFlag, false)) OneOf(f, kTimeShiftKey, kWords);
                                       }};
const SchedulerKey kBaseShift = {
    "base_shift", [](const Config& f, SamplerConfig& c) { ReadMu(f, "base_shift", c.flow.base_shift); }};
const SchedulerKey kMaxShift = {
    "max_shift", [](const Config& f, SamplerConfig& c) { ReadMu(f, "max_shift", c.flow.max_shift); }};
const SchedulerKey kBaseTokens = {"base_image_seq_len", [](const Config& f, SamplerConfig& c) {
                                    c.flow.base_tokens =
                                        Within(f, "base_image_seq_len", c.flow.base_tokens, 1, 1'000'000);
                                  }};
const SchedulerKey kMaxTokens = {
    "max_image_seq_len", [](const Config& f, SamplerConfig& c) {  // read behind that one
      c.flow.max_tokens =
          Within(f, "max_image_seq_len", c.flow.max_tokens, c.flow.base_tokens + 1, 1'000'001);
    }};
const SchedulerKey kFlowOrOther = {kPredictionKey, [](const Config& f, SamplerConfig& c) {
                                     if (f.String(kPredictionKey, "") == kFlowPrediction) {
                                       if (!Flag(f, kFlowFlag, false))
                                         f.Unsupported(kPredictionKey,
                                                       "flow_prediction beside use_flow_sigmas only");
                                       return;
                                     }
                                     Choose(f, kPredictionKey, kPredictions, c.prediction);
                                   }};
const SchedulerKey kUniPcFlow = {
    kFlowFlag, [](const Config& f, SamplerConfig& c) { ReadFlowFlag(f, FlowLayout::kUniPc, c); }};
const SchedulerKey kDpmSolverFlow = {
    kFlowFlag, [](const Config& f, SamplerConfig& c) { ReadFlowFlag(f, FlowLayout::kDpmSolver, c); }};
const SchedulerKey kDeisFlow = {
    kFlowFlag, [](const Config& f, SamplerConfig& c) { ReadFlowFlag(f, FlowLayout::kDeis, c); }};

}  // namespace scheduler_keys
}  // namespace mind::diffusion
