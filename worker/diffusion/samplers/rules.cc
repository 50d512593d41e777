#include "worker/diffusion/samplers/rules.h"

#include "worker/diffusion/samplers/adaptive_sde.h"
#include "worker/diffusion/samplers/analytic_dpm.h"
#include "worker/diffusion/samplers/annealed_langevin.h"
#include "worker/diffusion/samplers/consistency.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/ddpm.h"
#include "worker/diffusion/samplers/deis.h"
#include "worker/diffusion/samplers/dpm_solver_adaptive.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/dpm_solver_singlestep.h"
#include "worker/diffusion/samplers/dpmpp_sde.h"
#include "worker/diffusion/samplers/euler.h"
#include "worker/diffusion/samplers/euler_ancestral.h"
#include "worker/diffusion/samplers/flow_heun.h"
#include "worker/diffusion/samplers/flow_lcm.h"
#include "worker/diffusion/samplers/heun.h"
#include "worker/diffusion/samplers/ipndm.h"
#include "worker/diffusion/samplers/kdpm2.h"
#include "worker/diffusion/samplers/latent_consistency.h"
#include "worker/diffusion/samplers/lms.h"
#include "worker/diffusion/samplers/ode_rk45.h"
#include "worker/diffusion/samplers/pndm.h"
#include "worker/diffusion/samplers/reverse_sde.h"
#include "worker/diffusion/samplers/unipc.h"

namespace mind::diffusion {
namespace {

template <typename S>
std::unique_ptr<const Sampler> Make(const SamplerConfig& config, int64_t steps) {
  return std::make_unique<S>(config, steps);
}

// One rule by two samplers: of flows, and of all others.
template <typename S, typename OfFlow>
std::unique_ptr<const Sampler> MakeByForm(const SamplerConfig& config, int64_t steps) {
  if (config.form == NetworkForm::kFlow) return std::make_unique<OfFlow>(config, steps);
  return std::make_unique<S>(config, steps);
}

constexpr NetworkForm kDiscrete = NetworkForm::kDiscrete, kContinuous = NetworkForm::kContinuous,
                      kExploding = NetworkForm::kExploding, kEdm = NetworkForm::kEdm,
                      kFlow = NetworkForm::kFlow, kCosine = NetworkForm::kCosine;

void NoSkip(SamplerConfig& c) {
  c.skip_prk = true;  // the start Stable Diffusion uses; works for any step count
}

std::vector<Rule> ChainRules() {
  using namespace parameters;
  return {
      {.name = "ddpm",
       .description = "Ancestral sampling of the reverse chain",
       .class_names = {"DDPMScheduler", "UnCLIPScheduler"},
       .forms = {kDiscrete},
       .stochastic = true,
       .parameters = {&kVariance, &kSpacing, &kStart, &kTimesteps},
       .make = Make<DdpmSampler>},
      {.name = "ddim",
       .description = "Implicit sampling: deterministic, or with noise by eta",
       .class_names = {"DDIMScheduler"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow, kCosine},
       .parameters = {&kEta, &kClipped, &kSpacing, &kStart, &kTimesteps},
       .make = Make<DdimSampler>},
      {.name = "analytic_dpm",
       .description = "Ancestral sampling with the variance of greatest likelihood",
       .forms = {kDiscrete},
       .stochastic = true,
       .parameters = {&kEta, &kSpacing, &kStart, &kTimesteps},
       .defaults = [](SamplerConfig& c) { c.eta = 1; },
       .make = Make<AnalyticDpmSampler>},
      {.name = "pndm",
       .description = "Pseudo linear multistep of order 4",
       .class_names = {"PNDMScheduler"},
       .aliases = {"plms"},
       .forms = {kDiscrete},
       .parameters = {&kRungeKuttaStart, &kSpacing, &kStart, &kTimesteps},
       .defaults = NoSkip,
       .make = Make<PndmSampler>},
  };
}

std::vector<Rule> SigmaRules() {
  using namespace parameters;
  return {
      {.name = "euler",
       .description = "Euler's method, optionally stirred",
       .class_names = {"EulerDiscreteScheduler", "EDMEulerScheduler", "FlowMatchEulerDiscreteScheduler"},
       .aliases = {"k_euler", "sample_euler"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow, kCosine},
       .karras = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kFinalSigma, &kChurn, &kChurnMin, &kChurnMax,
                      &kNoise},
       .make = Make<EulerSampler>},
      {.name = "euler_a",
       .description = "Euler's method with fresh noise every step",
       .class_names = {"EulerAncestralDiscreteScheduler"},
       .aliases = {"Euler a", "k_euler_a", "sample_euler_ancestral"},
       .forms = {kDiscrete, kExploding, kEdm},
       .stochastic = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kNoise},
       .make = Make<EulerAncestralSampler>},
      {.name = "heun",
       .description = "Heun's method",
       .class_names = {"HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"},
       .aliases = {"k_heun", "sample_heun"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .evaluations_per_step = 2,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kChurn, &kChurnMin, &kChurnMax, &kNoise},
       .make = MakeByForm<HeunSampler, FlowHeunSampler>},
      {.name = "lms",
       .description = "Linear multistep of order 4",
       .class_names = {"LMSDiscreteScheduler"},
       .aliases = {"k_lms", "sample_lms"},
       .forms = {kDiscrete, kExploding, kEdm},
       .karras = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas},
       .make = Make<LmsSampler>},
      {.name = "dpm2",
       .description = "Midpoint method in log sigma",
       .class_names = {"KDPM2DiscreteScheduler"},
       .aliases = {"kdpm2", "k_dpm_2", "sample_dpm_2"},
       .forms = {kDiscrete, kExploding, kEdm},
       .karras = true,
       .evaluations_per_step = 2,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas},
       .make = Make<Kdpm2Sampler>},
      {.name = "dpm2_a",
       .description = "Midpoint method with fresh noise every step",
       .class_names = {"KDPM2AncestralDiscreteScheduler"},
       .aliases = {"DPM2 a", "kdpm2_a", "k_dpm_2_a", "sample_dpm_2_ancestral"},
       .forms = {kDiscrete, kExploding, kEdm},
       .karras = true,
       .evaluations_per_step = 2,
       .stochastic = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kNoise},
       .make = Make<Kdpm2AncestralSampler>},
      {.name = "dpmpp_sde",
       .description = "DPM-Solver++ as an SDE on a Brownian path",
       .class_names = {"DPMSolverSDEScheduler"},
       .aliases = {"DPM++ SDE", "sample_dpmpp_sde"},
       .forms = {kDiscrete, kExploding, kEdm},
       .karras = true,
       .evaluations_per_step = 2,
       .stochastic = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kNoise},
       .make = Make<DpmppSdeSampler>},
      {.name = "ipndm",
       .description = "Improved pseudo linear multistep of order 4",
       .class_names = {"IPNDMScheduler"},
       .forms = {kDiscrete, kExploding, kEdm, kCosine},
       .karras = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas},
       .make = Make<IpndmSampler>},
  };
}

std::vector<Rule> SolverRules() {
  using namespace parameters;
  return {
      {.name = "dpmpp_2m",
       .description = "DPM-Solver++ in multistep form",
       .class_names = {"DPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler"},
       .aliases = {"DPM++ 2M", "sample_dpmpp_2m"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .parameters = {&kOrder, &kAlgorithm, &kSolver, &kSchedule, &kSpacing, &kStart, &kSigmas, &kFinalSigma,
                      &kLowerOrderFinal, &kEulerAtFinal, &kNoise},
       .make = Make<DpmSolverMultistepSampler>},
      {.name = "dpmpp_2m_sde",
       .description = "DPM-Solver++ in multistep form, as an SDE",
       .aliases = {"DPM++ 2M SDE", "sample_dpmpp_2m_sde"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .stochastic = true,
       .parameters = {&kSolver, &kSchedule, &kSpacing, &kStart, &kSigmas, &kLowerOrderFinal, &kEulerAtFinal,
                      &kNoise},
       .defaults = [](SamplerConfig& c) { c.algorithm = "sde-dpmsolver++"; },
       .make = Make<DpmSolverMultistepSampler>},
      {.name = "dpmpp_3m",
       .description = "DPM-Solver++ in multistep form, order 3",
       .aliases = {"DPM++ 3M"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kLowerOrderFinal, &kEulerAtFinal},
       .defaults = [](SamplerConfig& c) { c.solver_order = 3; },
       .make = Make<DpmSolverMultistepSampler>},
      {.name = "dpmpp_2s",
       .description = "DPM-Solver++ in singlestep form; an evaluation counts as a step",
       .class_names = {"DPMSolverSinglestepScheduler"},
       .aliases = {"DPM++ 2S"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .parameters = {&kOrder, &kSinglestepAlgorithm, &kSolver, &kSchedule, &kSpacing, &kStart, &kSigmas,
                      &kFinalSigma, &kLowerOrderFinal},
       .make = Make<DpmSolverSinglestepSampler>},
      {.name = "dpm_solver_3",
       .description = "DPM-Solver-3 in singlestep form; an evaluation counts as a step",
       .aliases = {"DPM-Solver-3"},
       .forms = {kDiscrete, kExploding, kEdm},
       .parameters = {&kSchedule, &kSpacing, &kStart, &kSigmas, &kLowerOrderFinal},
       .defaults =
           [](SamplerConfig& c) {
             c.algorithm = "dpmsolver";
             c.solver_order = 3;
             c.final_sigma = FinalSigma::kSigmaMin;
             c.sigmas = SigmaSpacing::kLu;  // as the paper spaces them (sec. 3.4)
           },
       .make = Make<DpmSolverSinglestepSampler>},
      {.name = "dpm_adaptive",
       .description = "DPM-Solver-12 or -23 with a step size of its own choosing",
       .aliases = {"DPM adaptive", "sample_dpm_adaptive"},
       .forms = {kDiscrete, kExploding, kEdm},
       .adaptive = true,
       .parameters = {&kOrder, &kStart, &kRelativeTolerance, &kAbsoluteTolerance, &kFirstStep,
                      &kDenoiseAtEnd},
       .defaults =
           [](SamplerConfig& c) {
             c.solver_order = 3;
             c.relative_tolerance = 0.05;
             c.first_step = 0.05;
           },
       .make = Make<DpmSolverAdaptiveSampler>},
      {.name = "unipc",
       .description = "Unified predictor-corrector",
       .class_names = {"UniPCMultistepScheduler"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .parameters = {&kOrder, &kUniPcSolver, &kPredictX0, &kCorrector, &kSchedule, &kSpacing, &kStart,
                      &kSigmas, &kFinalSigma, &kLowerOrderFinal},
       .make = Make<UniPcSampler>},
      {.name = "deis",
       .description = "Exponential integrator on log rho",
       .class_names = {"DEISMultistepScheduler"},
       .forms = {kDiscrete, kExploding, kEdm, kFlow},
       .karras = true,
       .parameters = {&kOrder, &kSchedule, &kSpacing, &kStart, &kSigmas, &kFinalSigma, &kLowerOrderFinal},
       .make = Make<DeisSampler>},
  };
}

std::vector<Rule> ScoreRules() {
  using namespace parameters;
  return {
      {.name = "annealed_langevin",
       .description = "Langevin dynamics at falling noise levels",
       .aliases = {"ald", "ncsn"},
       .forms = {kDiscrete, kExploding, kEdm},
       .evaluations_per_step = 0,
       .stochastic = true,
       .parameters = {&kLangevinSteps, &kLangevinRate, &kDenoiseAtEnd},
       .make = Make<AnnealedLangevinSampler>},
      {.name = "reverse_sde",
       .description = "The reverse-time SDE in even steps",
       .forms = {kDiscrete, kContinuous, kExploding},
       .stochastic = true,
       .parameters = {&kPredictor},
       .make = Make<ReverseSdeSampler>},
      {.name = "euler_maruyama",
       .description = "The reverse-time SDE by Euler and Maruyama",
       .class_names = {"ScoreSdeVpScheduler"},
       .forms = {kDiscrete, kContinuous, kExploding},
       .stochastic = true,
       .defaults = [](SamplerConfig& c) { c.predictor = Predictor::kEulerMaruyama; },
       .make = Make<ReverseSdeSampler>},
      {.name = "pc",
       .description = "The reverse-time SDE with Langevin corrections",
       .class_names = {"ScoreSdeVeScheduler"},
       .forms = {kDiscrete, kContinuous, kExploding},
       .stochastic = true,
       .parameters = {&kPredictor, &kCorrectorSteps, &kSnr, &kAnnealedCorrector},
       .defaults = [](SamplerConfig& c) { c.corrector_steps = 1; },
       .make = Make<ReverseSdeSampler>},
      {.name = "adaptive_sde",
       .description = "The reverse-time SDE with a step size of its own choosing",
       .forms = {kDiscrete, kContinuous, kExploding},
       .adaptive = true,
       .stochastic = true,
       .parameters = {&kStart, &kRelativeTolerance, &kAbsoluteTolerance, &kFirstStep},
       .make = Make<AdaptiveSdeSampler>},
      {.name = "ode_rk45",
       .description = "The probability-flow ODE by Runge-Kutta 4(5) with a step size of its own choosing",
       .forms = {kDiscrete, kContinuous, kExploding},
       .adaptive = true,
       .parameters = {&kStart, &kRelativeTolerance, &kAbsoluteTolerance, &kDenoiseAtEnd},
       .defaults =
           [](SamplerConfig& c) {
             c.relative_tolerance = 1e-3;
             c.absolute_tolerance = 1e-3;
           },
       .make = Make<OdeRk45Sampler>},
  };
}

std::vector<Rule> StudentRules() {
  using namespace parameters;
  return {
      {.name = "lcm",
       .description = "Multistep sampling of latent consistency students",
       .class_names = {"LCMScheduler", "FlowMatchLCMScheduler"},
       .forms = {kDiscrete, kFlow},
       .stochastic = true,
       .parameters = {&kOriginalSteps, &kTimesteps},
       .make = MakeByForm<LcmSampler, FlowLcmSampler>},
      {.name = "tcd",
       .description = "Multistep sampling of trajectory consistency students",
       .class_names = {"TCDScheduler"},
       .forms = {kDiscrete},
       .stochastic = true,
       .parameters = {&kGamma, &kOriginalSteps, &kTimesteps},
       .limits_x0 = false,
       .defaults = [](SamplerConfig& c) { c.eta = 0.3; },
       .make = Make<TcdSampler>},
      {.name = "consistency",
       .description = "Multistep sampling of consistency models",
       .class_names = {"CMStochasticIterativeScheduler"},
       .forms = {NetworkForm::kConsistency},
       .stochastic = true,
       .parameters = {&kNoise},
       .make = Make<ConsistencySampler>},
  };
}

}  // namespace

const std::vector<Rule>& Rules() {
  using namespace parameters;
  static const std::vector<Rule>* const rules = [] {
    auto* const all = new std::vector<Rule>;
    for (auto part : {ChainRules(), SigmaRules(), SolverRules(), ScoreRules(), StudentRules()}) {
      for (Rule& rule : part) {
        if (rule.limits_x0) {
          rule.parameters.insert(rule.parameters.end(), {&kThresholding, &kThresholdRatio, &kThresholdMax});
        }
        all->push_back(std::move(rule));
      }
    }
    return all;
  }();
  return *rules;
}

}  // namespace mind::diffusion
