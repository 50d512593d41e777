#include "worker/diffusion/samplers/sampler_config.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

template <typename Value>
struct Word {
  const char* word;
  Value value;
};

template <typename Value, size_t N>
Value Choose(const Config& config, const std::string& key, const std::string& fallback,
             const Word<Value> (&words)[N]) {
  const std::string found = config.String(key, fallback);
  std::string known;
  for (const auto& [word, value] : words) {
    if (found == word) return value;
    known += std::string(known.empty() ? "" : ", ") + word;
  }
  config.Unsupported(key, known);
}

constexpr Word<Prediction> kPredictions[] = {{"epsilon", Prediction::kEpsilon},
                                             {"sample", Prediction::kSample},
                                             {"v_prediction", Prediction::kVelocity}};
constexpr Word<Spacing> kSpacings[] = {
    {"leading", Spacing::kLeading}, {"trailing", Spacing::kTrailing}, {"linspace", Spacing::kLinspace}};
constexpr Word<Variance> kVariances[] = {{"fixed_small", Variance::kFixedSmall},
                                         {"fixed_small_log", Variance::kFixedSmallLog},
                                         {"fixed_large", Variance::kFixedLarge},
                                         {"learned", Variance::kLearned},
                                         {"learned_range", Variance::kLearnedRange}};
constexpr Word<FinalSigma> kFinalSigmas[] = {{"zero", FinalSigma::kZero},
                                             {"sigma_min", FinalSigma::kSigmaMin}};

SigmaSpacing ChooseSigmas(const Config& config) {
  if (config.Bool("use_karras_sigmas", false)) return SigmaSpacing::kKarras;
  if (config.Bool("use_lu_lambdas", false)) return SigmaSpacing::kLu;
  if (config.Bool("use_exponential_sigmas", false)) config.Unsupported("use_exponential_sigmas", "false");
  if (config.Bool("use_beta_sigmas", false)) config.Unsupported("use_beta_sigmas", "false");
  const std::string interpolation = config.String("interpolation_type", "linear");
  if (interpolation == "log_linear") return SigmaSpacing::kLogLinear;
  if (interpolation != "linear") config.Unsupported("interpolation_type", "linear, log_linear");
  return SigmaSpacing::kPlain;
}

// Clipping is on unless said otherwise in the two pixel-space classes, and unknown to the others.
bool ClipsByDefault(const std::string& class_name) {
  return class_name == "DDPMScheduler" || class_name == "DDIMScheduler";
}

std::optional<double> MaybeDouble(const Config& config, const std::string& key) {
  return config.Unset(key) ? std::nullopt : std::optional(config.Double(key, 0));
}

}  // namespace

SamplerConfig SamplerConfig::From(const Config& config) {
  SamplerConfig c;
  c.class_name = config.String("_class_name", "");
  c.train_steps = config.Int("num_train_timesteps", c.train_steps);
  if (c.train_steps < 2 || c.train_steps > 1'000'000)
    config.Unsupported("num_train_timesteps", "2 to 1000000");
  c.beta_schedule = config.String("beta_schedule", c.beta_schedule);
  c.beta_start = config.Double("beta_start", c.beta_start);
  c.beta_end = config.Double("beta_end", c.beta_end);
  if (!config.Unset("trained_betas")) {
    for (const auto& beta : config.at("trained_betas")) {
      if (!beta.is_number()) config.Unsupported("trained_betas", "a list of numbers");
      c.trained_betas.push_back(beta.get<double>());
    }
    if (c.trained_betas.size() != static_cast<size_t>(c.train_steps)) {
      config.Unsupported("trained_betas", "num_train_timesteps numbers");
    }
  }
  c.zero_terminal_snr = config.Bool("rescale_betas_zero_snr", false);
  c.prediction = Choose(config, "prediction_type", "epsilon", kPredictions);
  if (!config.Unset("timestep_spacing")) c.spacing = Choose(config, "timestep_spacing", "", kSpacings);
  c.steps_offset = config.Int("steps_offset", 0);
  c.clip = config.Bool("clip_sample", ClipsByDefault(c.class_name));
  c.clip_range = config.Double("clip_sample_range", c.clip_range);
  c.thresholding = config.Bool("thresholding", false);
  c.threshold_ratio = config.Double("dynamic_thresholding_ratio", c.threshold_ratio);
  c.threshold_max = config.Double("sample_max_value", c.threshold_max);
  if (!config.Unset("set_alpha_to_one")) c.alpha_one_at_end = config.Bool("set_alpha_to_one", false);
  c.variance = Choose(config, "variance_type", "fixed_small", kVariances);
  c.skip_prk = config.Bool("skip_prk_steps", false);
  c.sigmas = ChooseSigmas(config);
  c.sigma_min = MaybeDouble(config, "sigma_min");
  c.sigma_max = MaybeDouble(config, "sigma_max");
  c.continuous_timesteps = config.String("timestep_type", "discrete") == "continuous";
  c.final_sigma = Choose(config, "final_sigmas_type", "zero", kFinalSigmas);
  c.solver_order = config.Int("solver_order", c.solver_order);
  if (c.solver_order < 1 || c.solver_order > 3) config.Unsupported("solver_order", "1, 2, 3");
  c.algorithm = config.String("algorithm_type", c.algorithm);
  const std::string solver = config.String("solver_type", "midpoint");
  c.solver_heun = solver == "heun";
  c.lower_order_final = config.Bool("lower_order_final", c.lower_order_final);
  c.euler_at_final = config.Bool("euler_at_final", c.euler_at_final);
  c.lambda_min_clipped = config.Double("lambda_min_clipped", c.lambda_min_clipped);
  return c;
}

}  // namespace mind::diffusion
