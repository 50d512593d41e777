// What a model's scheduler_config.json says about sampling it.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/flow_config.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// The noise a network was trained on, and so what it is told of it and what it is shown.
enum class NetworkForm {
  kDiscrete,     // train_steps noise levels of a beta schedule; told the training step
  kContinuous,   // the variance-preserving SDE of Song et al. 2021, time in (0, 1]; told 999·t
  kExploding,    // the variance-exploding SDE of Song et al. 2021; told sigma, answers with the score
  kEdm,          // Karras et al. 2022: told log(sigma) / 4, preconditioned
  kConsistency,  // Song et al. 2023: told 250·log(sigma), answers with x0 in one go
  kFlow,         // rectified flow, x = (1 - sigma)·x0 + sigma·noise; told train_steps·sigma
  kCosine,       // alpha = cos, sigma = sin of a quarter turn in time 0 … 1; told the time
};
enum class Prediction { kEpsilon, kSample, kVelocity };  // what the denoiser predicts
// How steps are spread over the training steps; optimal: as searched for the model by Watson et al. 2021.
enum class Spacing { kLeading, kTrailing, kLinspace, kOptimal };
// How noise levels are spread, where a sampler lets choose.
enum class SigmaSpacing { kPlain, kKarras, kExponential, kBeta, kLu };
enum class Variance {
  kFixedSmall,
  kFixedSmallLog,
  kFixedLarge,
  kLearned,
  kLearnedRange
};                                                                       // of an ancestral step
enum class Predictor { kReverseDiffusion, kEulerMaruyama, kAncestral };  // of the reverse-time SDE
enum class FinalSigma { kZero, kSigmaMin };

// Field by field the meaning is that of diffusers' key; defaults are diffusers', and those that differ from
// class to class are optional and resolved by the sampler.

// What a network was trained on, and what has been measured of it since. Every rule goes by it.
struct NetworkConfig {
  NetworkForm form = NetworkForm::kDiscrete;
  Prediction prediction = Prediction::kEpsilon;
  // The beta schedule of kDiscrete …
  int64_t train_steps = 1000;
  std::string beta_schedule = "linear";
  double beta_start = 0.0001;
  double beta_end = 0.02;
  std::vector<double> trained_betas;  // one by one, instead
  bool zero_terminal_snr = false;
  bool double_precision = false;      // whether it was computed in float64
  bool continuous_timesteps = false;  // told log(sigma) / 4, not the training step
  // … and what the other forms have instead.
  double beta_min = 0.1, beta_max = 20;        // kContinuous
  std::optional<double> sigma_min, sigma_max;  // kExploding, kEdm, kConsistency
  double sigma_data = 0.5;                     // kEdm, kConsistency: standard deviation of the data
  double rho = 7;                              // Karras et al. 2022, eq. 5
  FlowConfig flow;                             // kFlow
  double time_end = 1e-3;                      // where samplers in continuous time stop

  // Distilled students.
  int64_t original_steps = 50;  // of the teacher
  double timestep_scaling = 10;

  std::map<int64_t, std::vector<int64_t>> optimal_timesteps;  // Spacing::kOptimal: by step count
  std::vector<double> x0_errors;  // Analytic-DPM: E|x0 - estimate of x0|² / dimensions at each training step
};

// How a model's steps are spread and its estimates of x0 limited. Rules of other classes keep to it.
struct StepConfig {
  std::optional<Spacing> spacing;
  int64_t steps_offset = 0;
  // Where the noise starts, as a fraction of all training steps: less than 1 leaves out the noisiest. Zheng
  // et al. 2022 (truncated diffusion).
  double start = 1;
  std::vector<int64_t> custom_timesteps;  // instead of a step count
  std::optional<bool> alpha_one_at_end;   // set_alpha_to_one

  bool clip = false;
  double clip_range = 1;
  bool thresholding = false;  // dynamic thresholding, Saharia et al. 2022 (Imagen), sec. 2.3
  double threshold_ratio = 0.995;
  double threshold_max = 1;
};

// What a rule that walks along noise levels is told of them.
struct LevelOptions {
  SigmaSpacing sigmas = SigmaSpacing::kPlain;
  std::optional<double> spaced_min, spaced_max;  // ends of levels that are not kPlain; else the plain ones'
  bool log_linear = false;                       // Euler: levels evenly in log sigma over all training steps
  bool rounds_timesteps = false;                 // of levels after Karras (the KDPM2 classes)
  FinalSigma final_sigma = FinalSigma::kZero;
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();
  // Levels above this sigma are left out: more noise says nothing, and rules that step in sigma lose all
  // precision there.
  double sigma_cap = std::numeric_limits<double>::infinity();
  std::vector<double> custom_sigmas;  // instead of a step count: one more than steps
};

// Chains over training steps: DDPM, DDIM, PNDM.
struct ChainOptions {
  Variance variance = Variance::kFixedSmall;
  double eta = 0;  // DDIM: 0 deterministic … 1 as noisy as DDPM; TCD: gamma
  bool use_clipped_output = false;
  // DDPM: alphas from betas, not the other way round; they round differently (UnCLIP)
  bool from_betas = false;
  bool skip_prk = false;
};

// DPM-Solver, UniPC, DEIS.
struct SolverOptions {
  int64_t solver_order = 2;
  std::string algorithm = "dpmsolver++";
  bool solver_heun = false;                // solver_type heun instead of midpoint
  bool solver_bh1 = false;                 // UniPC: solver_type bh1 instead of bh2
  bool predict_x0 = true;                  // UniPC
  bool corrector = true;                   // UniPC
  std::vector<int64_t> uncorrected_steps;  // UniPC: whose results stay as predicted
  bool lower_order_final = true;
  bool euler_at_final = false;
};

// Noise of a step in sigma form: churn (Karras et al. 2022, alg. 2), and a factor on all noise added.
struct NoiseOptions {
  double churn = 0, churn_min = 0, churn_max = 1e4, noise_scale = 1;
};

// Score-based samplers: the predictor, and Langevin steps at each level with their signal-to-noise ratio or
// step size.
struct ScoreOptions {
  Predictor predictor = Predictor::kReverseDiffusion;
  int64_t corrector_steps = 0;
  double snr = 0.15;
  bool annealed_corrector = false;  // step size of annealed Langevin instead of by the gradient's norm
  int64_t langevin_steps = 10;
  double langevin_rate = 0.1;
};

// Adaptive samplers; the first step to try is in units of time, of dpm_adaptive in units of lambda.
struct AdaptiveOptions {
  double relative_tolerance = 0.01, absolute_tolerance = 0.0078;
  double first_step = 0.01;
  bool denoise_at_end = true;  // x0 instead of x where a sampler stops short of no noise
};

struct RepaintOptions {
  int64_t jump_length = 10, jump_samples = 10;
};

// All that one rule is told and no other has: a rule of another class starts from the defaults.
struct RuleOptions : LevelOptions,
                     ChainOptions,
                     SolverOptions,
                     NoiseOptions,
                     ScoreOptions,
                     AdaptiveOptions,
                     RepaintOptions {};

struct SamplerConfig : NetworkConfig, StepConfig, RuleOptions {
  std::string class_name;  // "PNDMScheduler": the model's default sampler

  // A scheduler_config.json: what it says counts as far as its _class_name has the key (scheduler_classes.h).
  // Throws ModelError naming key and value, UnsupportedError for an unknown class.
  static SamplerConfig From(const Config& config);

  // The model as a rule of another class sees it.
  SamplerConfig ForAnotherRule() const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_
