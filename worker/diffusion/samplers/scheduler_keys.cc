#include "worker/diffusion/samplers/scheduler_keys.h"

#include <algorithm>

#include "worker/diffusion/samplers/scheduler_values.h"
#include "worker/diffusion/samplers/words.h"

namespace mind::diffusion {
namespace {

void Space(const Config& config, const char* key, SigmaSpacing spacing, SamplerConfig& c) {
  if (!Flag(config, key, false)) return;
  if (c.sigmas != SigmaSpacing::kPlain) config.Unsupported(key, "one way to spread noise levels, not two");
  c.sigmas = spacing;
}

void ReadSpacing(const Config& config, SamplerConfig& c) {
  if (config.Unset("timestep_spacing")) return;
  Spacing spacing = Spacing::kLeading;
  Choose(config, "timestep_spacing", kSpacings, spacing);
  c.spacing = spacing;
}

void ReadPrediction(const Config& config, SamplerConfig& c) {
  Choose(config, "prediction_type", kPredictions, c.prediction);
}

void ReadVariance(const Config& config, SamplerConfig& c) {
  Choose(config, "variance_type", kVariances, c.variance);
}

// DPM-Solver's classes take each other's words for their own default; UniPC and DEIS do so, too.
constexpr const char* kAllSolvers[] = {"midpoint", "heun", "logrho", "bh1", "bh2"};

void ReadSigmaEnd(const Config& config, const char* key, std::optional<double>& end) {
  if (!config.Unset(key)) end = Within(config, key, 0, 1e-9, 1e9);
}

}  // namespace

namespace scheduler_keys {

const SchedulerKey kTrainSteps = {"num_train_timesteps", [](const Config& f, SamplerConfig& c) {
                                    c.train_steps =
                                        Within(f, "num_train_timesteps", c.train_steps, 2, 1'000'000);
                                  }};
const SchedulerKey kBetaStart = {"beta_start", [](const Config& f, SamplerConfig& c) {
                                   c.beta_start = Within(f, "beta_start", c.beta_start, 1e-12, 0.9999);
                                 }};
const SchedulerKey kBetaEnd = {"beta_end", [](const Config& f, SamplerConfig& c) {
                                 c.beta_end = Within(f, "beta_end", c.beta_end, 1e-12, 0.9999);
                               }};
const SchedulerKey kBetaSchedule = {
    "beta_schedule", [](const Config& f, SamplerConfig& c) {
      if (f.Unset("beta_schedule")) return;
      constexpr const char* kWords[] = {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "exp"};
      c.beta_schedule = OneOf(f, "beta_schedule", kWords);
    }};
const SchedulerKey kCosineSchedule = {"beta_schedule", [](const Config& f, SamplerConfig& c) {
                                        constexpr const char* kWords[] = {"squaredcos_cap_v2"};
                                        c.beta_schedule = OneOf(f, "beta_schedule", kWords);
                                      }};
const SchedulerKey kTrainedBetas = {"trained_betas", [](const Config& f, SamplerConfig& c) {
                                      if (f.Unset("trained_betas")) return;
                                      for (const auto& beta : f.at("trained_betas")) {
                                        if (!beta.is_number() || !(beta >= 0.0 && beta < 1.0)) {
                                          f.Unsupported("trained_betas",
                                                        "a list of numbers from 0 to below 1");
                                        }
                                        c.trained_betas.push_back(beta.get<double>());
                                      }
                                    }};
const SchedulerKey kNoTrainedBetas = {"trained_betas",
                                      [](const Config& f, SamplerConfig&) { RefuseSet(f, "trained_betas"); }};
const SchedulerKey kZeroTerminalSnr = {"rescale_betas_zero_snr", [](const Config& f, SamplerConfig& c) {
                                         c.zero_terminal_snr = Flag(f, "rescale_betas_zero_snr", false);
                                       }};
const SchedulerKey kPrediction = {"prediction_type", ReadPrediction};
const SchedulerKey kNoiseOrVelocity = {"prediction_type", [](const Config& f, SamplerConfig& c) {
                                         ReadPrediction(f, c);
                                         if (c.prediction == Prediction::kSample) {
                                           f.Unsupported("prediction_type", "epsilon, v_prediction");
                                         }
                                       }};
const SchedulerKey kNoiseOrSample = {"prediction_type", [](const Config& f, SamplerConfig& c) {
                                       ReadPrediction(f, c);
                                       if (c.prediction == Prediction::kVelocity) {
                                         f.Unsupported("prediction_type", "epsilon, sample");
                                       }
                                     }};
const SchedulerKey kBetaMin = {"beta_min", [](const Config& f, SamplerConfig& c) {
                                 c.beta_min = Within(f, "beta_min", c.beta_min, 0, 1e4);
                               }};
const SchedulerKey kBetaMax = {"beta_max", [](const Config& f, SamplerConfig& c) {
                                 c.beta_max = Within(f, "beta_max", c.beta_max, 0, 1e4);
                               }};
const SchedulerKey kSigmaMin = {
    "sigma_min", [](const Config& f, SamplerConfig& c) { ReadSigmaEnd(f, "sigma_min", c.sigma_min); }};
const SchedulerKey kSigmaMax = {
    "sigma_max", [](const Config& f, SamplerConfig& c) { ReadSigmaEnd(f, "sigma_max", c.sigma_max); }};
const SchedulerKey kSigmaData = {"sigma_data", [](const Config& f, SamplerConfig& c) {
                                   c.sigma_data = Within(f, "sigma_data", c.sigma_data, 1e-6, 1e6);
                                 }};
const SchedulerKey kRho = {
    "rho", [](const Config& f, SamplerConfig& c) { c.rho = Within(f, "rho", c.rho, 1e-2, 1e3); }};
const SchedulerKey kTimestepType = {"timestep_type", [](const Config& f, SamplerConfig& c) {
                                      constexpr const char* kWords[] = {"discrete", "continuous"};
                                      c.continuous_timesteps =
                                          OneOf(f, "timestep_type", kWords) == "continuous";
                                    }};
const SchedulerKey kSamplingEps = {"sampling_eps", [](const Config& f, SamplerConfig& c) {
                                     c.time_end = Within(f, "sampling_eps", c.time_end, 0, 1);
                                   }};
const SchedulerKey kOriginalSteps = {
    "original_inference_steps", [](const Config& f, SamplerConfig& c) {
      c.original_steps =
          Within(f, "original_inference_steps", std::min(c.original_steps, c.train_steps), 1, c.train_steps);
    }};
const SchedulerKey kTimestepScaling = {"timestep_scaling", [](const Config& f, SamplerConfig& c) {
                                         c.timestep_scaling =
                                             Within(f, "timestep_scaling", c.timestep_scaling, 0, 1e6);
                                       }};

const SchedulerKey kSpacing = {"timestep_spacing", ReadSpacing};
const SchedulerKey kInverseSpacing = {"timestep_spacing", [](const Config& f, SamplerConfig& c) {
                                        ReadSpacing(f, c);
                                        if (c.spacing == Spacing::kLinspace) {
                                          f.Unsupported("timestep_spacing", "leading, trailing");
                                        }
                                      }};
const SchedulerKey kStepsOffset = {"steps_offset", [](const Config& f, SamplerConfig& c) {
                                     c.steps_offset = Within(f, "steps_offset", 0, 0, c.train_steps - 1);
                                   }};
const SchedulerKey kAlphaToOne = {"set_alpha_to_one", [](const Config& f, SamplerConfig& c) {
                                    if (f.Unset("set_alpha_to_one") && !f.Null("set_alpha_to_one")) return;
                                    c.alpha_one_at_end = Flag(f, "set_alpha_to_one", false);
                                  }};
const SchedulerKey kAlphaToZero = {
    "set_alpha_to_zero", [](const Config& f, SamplerConfig& c) {  // an old spelling of the same, which wins
      if (!f.Unset("set_alpha_to_zero")) c.alpha_one_at_end = f.Bool("set_alpha_to_zero", false);
    }};
const SchedulerKey kKarras = {"use_karras_sigmas", [](const Config& f, SamplerConfig& c) {
                                Space(f, "use_karras_sigmas", SigmaSpacing::kKarras, c);
                              }};
const SchedulerKey kLu = {"use_lu_lambdas", [](const Config& f, SamplerConfig& c) {
                            Space(f, "use_lu_lambdas", SigmaSpacing::kLu, c);
                          }};
const SchedulerKey kExponential = {"use_exponential_sigmas", [](const Config& f, SamplerConfig& c) {
                                     Space(f, "use_exponential_sigmas", SigmaSpacing::kExponential, c);
                                   }};
const SchedulerKey kBeta = {"use_beta_sigmas", [](const Config& f, SamplerConfig& c) {
                              Space(f, "use_beta_sigmas", SigmaSpacing::kBeta, c);
                            }};
const SchedulerKey kSigmaSchedule = {"sigma_schedule", [](const Config& f, SamplerConfig& c) {
                                       constexpr const char* kWords[] = {"karras", "exponential"};
                                       c.sigmas = OneOf(f, "sigma_schedule", kWords) == "exponential"
                                                      ? SigmaSpacing::kExponential
                                                      : SigmaSpacing::kPlain;  // Karras, without being told
                                     }};
const SchedulerKey kInterpolation = {"interpolation_type", [](const Config& f, SamplerConfig& c) {
                                       constexpr const char* kWords[] = {"linear", "log_linear"};
                                       c.log_linear = OneOf(f, "interpolation_type", kWords) == "log_linear";
                                     }};
const SchedulerKey kSpacedMin = {
    "sigma_min", [](const Config& f, SamplerConfig& c) { ReadSigmaEnd(f, "sigma_min", c.spaced_min); }};
const SchedulerKey kSpacedMax = {
    "sigma_max", [](const Config& f, SamplerConfig& c) { ReadSigmaEnd(f, "sigma_max", c.spaced_max); }};
const SchedulerKey kFinalSigmas = {"final_sigmas_type", [](const Config& f, SamplerConfig& c) {
                                     Choose(f, "final_sigmas_type", diffusion::kFinalSigmas, c.final_sigma);
                                   }};
const SchedulerKey kLambdaMin = {"lambda_min_clipped", [](const Config& f, SamplerConfig& c) {
                                   c.lambda_min_clipped =
                                       f.Double("lambda_min_clipped", c.lambda_min_clipped);
                                 }};

const SchedulerKey kClip = {
    "clip_sample", [](const Config& f, SamplerConfig& c) { c.clip = Flag(f, "clip_sample", c.clip); }};
const SchedulerKey kClipDenoised = {
    "clip_denoised", [](const Config& f, SamplerConfig& c) { c.clip = Flag(f, "clip_denoised", c.clip); }};
const SchedulerKey kClipRange = {"clip_sample_range", [](const Config& f, SamplerConfig& c) {
                                   c.clip_range = Within(f, "clip_sample_range", c.clip_range, 1e-6, 1e6);
                                 }};
const SchedulerKey kThresholding = {"thresholding", [](const Config& f, SamplerConfig& c) {
                                      c.thresholding = Flag(f, "thresholding", false);
                                    }};
const SchedulerKey kThresholdRatio = {"dynamic_thresholding_ratio", [](const Config& f, SamplerConfig& c) {
                                        c.threshold_ratio =
                                            Within(f, "dynamic_thresholding_ratio", c.threshold_ratio, 0, 1);
                                      }};
const SchedulerKey kThresholdMax = {"sample_max_value", [](const Config& f, SamplerConfig& c) {
                                      c.threshold_max =
                                          Within(f, "sample_max_value", c.threshold_max, 0, 1e6);
                                    }};

const SchedulerKey kVariance = {"variance_type", ReadVariance};
const SchedulerKey kUnclipVariance = {"variance_type", [](const Config& f, SamplerConfig& c) {
                                        constexpr const char* kWords[] = {"fixed_small_log", "learned_range"};
                                        OneOf(f, "variance_type", kWords);
                                        ReadVariance(f, c);
                                      }};
const SchedulerKey kPredictedVariance = {
    "variance_type", [](const Config& f, SamplerConfig& c) {  // says only whether there is one to be cut off
      const std::string found = f.String("variance_type", "");
      if (found == "learned" || found == "learned_range") ReadVariance(f, c);
    }};
const SchedulerKey kSkipPrk = {"skip_prk_steps", [](const Config& f, SamplerConfig& c) {
                                 c.skip_prk = Flag(f, "skip_prk_steps", false);
                               }};
const SchedulerKey kEta = {"eta",
                           [](const Config& f, SamplerConfig& c) { c.eta = Within(f, "eta", c.eta, 0, 1); }};
const SchedulerKey kSolverOrder = {"solver_order", [](const Config& f, SamplerConfig& c) {
                                     c.solver_order = Within(f, "solver_order", c.solver_order, 1, 3);
                                   }};
const SchedulerKey kAlgorithm = {"algorithm_type", [](const Config& f, SamplerConfig& c) {
                                   constexpr const char* kWords[] = {"dpmsolver++", "dpmsolver",
                                                                     "sde-dpmsolver++", "sde-dpmsolver",
                                                                     "deis"};
                                   c.algorithm = OneOf(f, "algorithm_type", kWords);
                                   if (c.algorithm == "deis") c.algorithm = "dpmsolver++";
                                 }};
const SchedulerKey kSinglestepAlgorithm = {
    "algorithm_type", [](const Config& f, SamplerConfig& c) {
      constexpr const char* kWords[] = {"dpmsolver++", "dpmsolver", "deis"};
      c.algorithm = OneOf(f, "algorithm_type", kWords);
      if (c.algorithm == "deis") c.algorithm = "dpmsolver++";
    }};
const SchedulerKey kEdmAlgorithm = {
    "algorithm_type", [](const Config& f, SamplerConfig& c) {
      constexpr const char* kWords[] = {"dpmsolver++", "sde-dpmsolver++", "deis"};
      c.algorithm = OneOf(f, "algorithm_type", kWords);
      if (c.algorithm == "deis") c.algorithm = "dpmsolver++";
    }};
const SchedulerKey kDeisAlgorithm = {"algorithm_type", [](const Config& f, SamplerConfig&) {
                                       constexpr const char* kWords[] = {"deis", "dpmsolver", "dpmsolver++"};
                                       OneOf(f, "algorithm_type", kWords);  // all mean deis
                                     }};
const SchedulerKey kSolver = {"solver_type", [](const Config& f, SamplerConfig& c) {
                                c.solver_heun = OneOf(f, "solver_type", kAllSolvers) == "heun";
                              }};
const SchedulerKey kUniPcSolver = {"solver_type", [](const Config& f, SamplerConfig& c) {
                                     c.solver_bh1 = OneOf(f, "solver_type", kAllSolvers) == "bh1";
                                   }};
const SchedulerKey kDeisSolver = {"solver_type", [](const Config& f, SamplerConfig&) {
                                    OneOf(f, "solver_type", kAllSolvers);  // all mean logrho
                                  }};
const SchedulerKey kPredictX0 = {"predict_x0", [](const Config& f, SamplerConfig& c) {
                                   c.predict_x0 = Flag(f, "predict_x0", c.predict_x0);
                                 }};
const SchedulerKey kDisableCorrector = {"disable_corrector", [](const Config& f, SamplerConfig& c) {
                                          if (!f.Unset("disable_corrector"))
                                            c.uncorrected_steps = f.RequiredInts("disable_corrector");
                                        }};
const SchedulerKey kLowerOrderFinal = {"lower_order_final", [](const Config& f, SamplerConfig& c) {
                                         c.lower_order_final =
                                             Flag(f, "lower_order_final", c.lower_order_final);
                                       }};
const SchedulerKey kEulerAtFinal = {"euler_at_final", [](const Config& f, SamplerConfig& c) {
                                      c.euler_at_final = Flag(f, "euler_at_final", false);
                                    }};
const SchedulerKey kNoiseScale = {"s_noise", [](const Config& f, SamplerConfig& c) {
                                    c.noise_scale = Within(f, "s_noise", c.noise_scale, 0, 1e3);
                                  }};
const SchedulerKey kSnr = {
    "snr", [](const Config& f, SamplerConfig& c) { c.snr = Within(f, "snr", c.snr, 0, 1e3); }};
const SchedulerKey kCorrectSteps = {"correct_steps", [](const Config& f, SamplerConfig& c) {
                                      c.corrector_steps =
                                          Within(f, "correct_steps", c.corrector_steps, 0, 1000);
                                    }};

const SchedulerKey kSolverP = {"solver_p", [](const Config& f, SamplerConfig&) { RefuseSet(f, "solver_p"); }};
const SchedulerKey kNoiseSamplerSeed = {
    "noise_sampler_seed", [](const Config& f, SamplerConfig&) { RefuseSet(f, "noise_sampler_seed"); }};
const SchedulerKey kNoFlowSigmas = {
    "use_flow_sigmas", [](const Config& f, SamplerConfig&) { RefuseTrue(f, "use_flow_sigmas"); }};
const SchedulerKey kNoScaleFactors = {"scale_factors",
                                      [](const Config& f, SamplerConfig&) { RefuseSet(f, "scale_factors"); }};

}  // namespace scheduler_keys
}  // namespace mind::diffusion
