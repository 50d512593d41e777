// What a model's scheduler_config.json says about sampling it.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

enum class Prediction { kEpsilon, kSample, kVelocity };  // what the denoiser predicts
enum class Spacing { kLeading, kTrailing, kLinspace };   // how steps are spread over the training steps
enum class SigmaSpacing {
  kPlain,
  kKarras,
  kLu,
  kLogLinear
};  // how noise levels are spread, where a sampler lets choose
enum class Variance {
  kFixedSmall,
  kFixedSmallLog,
  kFixedLarge,
  kLearned,
  kLearnedRange
};  // of an ancestral step
enum class FinalSigma { kZero, kSigmaMin };

// The union of what the samplers read; each takes what concerns it. Defaults are diffusers'; those that
// differ from class to class are optional and resolved by the sampler. Field by field the meaning is that of
// diffusers' key.
struct SamplerConfig {
  std::string class_name;  // "PNDMScheduler": the model's default sampler

  // The noise schedule. Its parameters, or alphas_cumprod's betas given one by one.
  int64_t train_steps = 1000;
  std::string beta_schedule = "linear";
  double beta_start = 0.0001;
  double beta_end = 0.02;
  std::vector<double> trained_betas;
  bool zero_terminal_snr = false;

  Prediction prediction = Prediction::kEpsilon;
  std::optional<Spacing> spacing;
  int64_t steps_offset = 0;

  // Of the estimate of x0.
  bool clip = false;
  double clip_range = 1;
  bool thresholding = false;  // dynamic thresholding, Saharia et al. 2022 (Imagen), sec. 2.3
  double threshold_ratio = 0.995;
  double threshold_max = 1;

  std::optional<bool> alpha_one_at_end;  // set_alpha_to_one
  Variance variance = Variance::kFixedSmall;
  bool skip_prk = false;
  SigmaSpacing sigmas = SigmaSpacing::kPlain;
  std::optional<double> sigma_min, sigma_max;
  bool continuous_timesteps = false;
  FinalSigma final_sigma = FinalSigma::kZero;

  // DPM-Solver.
  int64_t solver_order = 2;
  std::string algorithm = "dpmsolver++";
  bool solver_heun = false;
  bool lower_order_final = true;
  bool euler_at_final = false;
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();

  // Of a step, not of the schedule (diffusers' step() arguments).
  double eta = 0;  // DDIM: 0 deterministic … 1 as noisy as DDPM
  bool use_clipped_output = false;
  double churn = 0, churn_min = 0, churn_max = std::numeric_limits<double>::infinity(), churn_noise = 1;

  // Instead of a step count.
  std::vector<int64_t> custom_timesteps;
  std::vector<double> custom_sigmas;

  // Throws ModelError naming key and value.
  static SamplerConfig From(const Config& config);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SAMPLER_CONFIG_H_
