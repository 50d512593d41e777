#include "worker/diffusion/samplers/sampler_config.h"

#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/words.h"

namespace mind::diffusion {
namespace {

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

SigmaSpacing ChooseSigmas(const Config& config) {
  if (config.Bool("use_karras_sigmas", false)) return SigmaSpacing::kKarras;
  if (config.Bool("use_lu_lambdas", false)) return SigmaSpacing::kLu;
  if (config.Bool("use_exponential_sigmas", false)) return SigmaSpacing::kExponential;
  if (config.Bool("use_beta_sigmas", false)) return SigmaSpacing::kBeta;
  const std::string schedule = config.String("sigma_schedule", "karras");  // of the EDM classes
  if (schedule == "exponential") return SigmaSpacing::kExponential;
  if (schedule != "karras") config.Unsupported("sigma_schedule", "karras, exponential");
  const std::string interpolation = config.String("interpolation_type", "linear");
  if (interpolation == "log_linear") return SigmaSpacing::kLogLinear;
  if (interpolation != "linear") config.Unsupported("interpolation_type", "linear, log_linear");
  return SigmaSpacing::kPlain;
}

// What scheduler classes imply without writing it into the file.
struct ClassDefaults {
  const char* class_name;
  NetworkForm form = NetworkForm::kDiscrete;
  bool clip = false;
  void (*set)(SamplerConfig&) = nullptr;
};

constexpr ClassDefaults kClassDefaults[] = {
    {"DDPMScheduler", NetworkForm::kDiscrete, true},
    {"DDIMScheduler", NetworkForm::kDiscrete, true},
    {"RePaintScheduler", NetworkForm::kDiscrete, true},
    {"UnCLIPScheduler", NetworkForm::kDiscrete, true,
     [](SamplerConfig& c) {
       c.beta_schedule = "squaredcos_cap_v2";
       c.spacing = Spacing::kLinspace;
       c.variance = Variance::kFixedSmallLog;
       c.from_betas = true;
     }},
    {"LCMScheduler", NetworkForm::kDiscrete, false,
     [](SamplerConfig& c) { c.beta_schedule = "scaled_linear"; }},
    {"TCDScheduler", NetworkForm::kDiscrete, false,
     [](SamplerConfig& c) {
       c.beta_schedule = "scaled_linear";
       c.eta = 0.3;
     }},
    {"DEISMultistepScheduler", NetworkForm::kDiscrete, false,
     [](SamplerConfig& c) { c.final_sigma = FinalSigma::kSigmaMin; }},
    {"KDPM2DiscreteScheduler", NetworkForm::kDiscrete, false,
     [](SamplerConfig& c) { c.rounds_timesteps = true; }},
    {"KDPM2AncestralDiscreteScheduler", NetworkForm::kDiscrete, false,
     [](SamplerConfig& c) { c.rounds_timesteps = true; }},
    {"IPNDMScheduler", NetworkForm::kCosine, false,
     [](SamplerConfig& c) { c.prediction = Prediction::kVelocity; }},
    {"EDMEulerScheduler", NetworkForm::kEdm},
    {"EDMDPMSolverMultistepScheduler", NetworkForm::kEdm},
    {"ScoreSdeVeScheduler", NetworkForm::kExploding, false,
     [](SamplerConfig& c) {
       c.sigma_min = 0.01;
       c.sigma_max = 1348;
       c.train_steps = 2000;
       c.time_end = 1e-5;
     }},
    {"ScoreSdeVpScheduler", NetworkForm::kContinuous, false, [](SamplerConfig& c) { c.train_steps = 2000; }},
    {"CMStochasticIterativeScheduler", NetworkForm::kConsistency, true,
     [](SamplerConfig& c) { c.train_steps = 40; }},
    {"FlowMatchEulerDiscreteScheduler", NetworkForm::kFlow},
};

ClassDefaults DefaultsOf(const std::string& class_name) {
  for (const ClassDefaults& one : kClassDefaults) {
    if (class_name == one.class_name) return one;
  }
  return {};
}

std::vector<double> Numbers(const Config& config, const std::string& key) {
  std::vector<double> numbers;
  if (config.Unset(key)) return numbers;
  for (const auto& number : config.at(key)) {
    if (!number.is_number()) config.Unsupported(key, "a list of numbers");
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

// A number that must lie in a range wide enough for every use, and narrow enough to reckon with.
double Within(const Config& config, const std::string& key, double fallback, double least, double most) {
  const double value = config.Double(key, fallback);
  if (value >= least && value <= most) return value;
  std::ostringstream allowed;
  allowed << least << " to " << most;
  config.Unsupported(key, allowed.str());
}

void ReadNoise(const Config& config, SamplerConfig& c) {
  c.train_steps = config.Int("num_train_timesteps", c.train_steps);
  if (c.train_steps < 2 || c.train_steps > 1'000'000)
    config.Unsupported("num_train_timesteps", "2 to 1000000");
  c.beta_schedule = config.String("beta_schedule", c.beta_schedule);
  c.beta_start = Within(config, "beta_start", c.beta_start, 1e-12, 0.9999);
  c.beta_end = Within(config, "beta_end", c.beta_end, 1e-12, 0.9999);
  c.trained_betas = Numbers(config, "trained_betas");
  if (!c.trained_betas.empty() && c.trained_betas.size() != static_cast<size_t>(c.train_steps)) {
    config.Unsupported("trained_betas", "num_train_timesteps numbers");
  }
  for (const double beta : c.trained_betas) {
    if (!(beta >= 0 && beta < 1)) config.Unsupported("trained_betas", "numbers from 0 to below 1");
  }
  c.zero_terminal_snr = config.Bool("rescale_betas_zero_snr", false);
  c.prediction = Choose(config, "prediction_type",
                        c.prediction == Prediction::kVelocity ? "v_prediction" : "epsilon", kPredictions);
  if (c.form == NetworkForm::kCosine && c.prediction != Prediction::kVelocity) {
    config.Unsupported("prediction_type", "v_prediction");
  }
  if (c.zero_terminal_snr && c.prediction == Prediction::kEpsilon) {
    // The noisiest step holds no signal: what noise there is says nothing of x0 (Lin et al. 2023, sec. 3.1).
    config.Unsupported("rescale_betas_zero_snr",
                       "true with prediction_type v_prediction or sample, else false");
  }
  c.beta_min = Within(config, "beta_min", c.beta_min, 0, 1e4);
  c.beta_max = Within(config, "beta_max", c.beta_max, 0, 1e4);
  if (!config.Unset("sigma_min")) c.sigma_min = Within(config, "sigma_min", 0, 0, 1e9);
  if (!config.Unset("sigma_max")) c.sigma_max = Within(config, "sigma_max", 0, 0, 1e9);
  if (c.form == NetworkForm::kEdm || c.form == NetworkForm::kConsistency) {
    c.sigma_min = c.sigma_min.value_or(0.002);
    c.sigma_max = c.sigma_max.value_or(80);
  }
  if (c.sigma_min && c.sigma_max && !(*c.sigma_min > 0 && *c.sigma_max > *c.sigma_min)) {
    config.Unsupported("sigma_min", "more than 0 and less than sigma_max");
  }
  c.sigma_data = Within(config, "sigma_data", c.sigma_data, 1e-6, 1e6);
  c.rho = Within(config, "rho", c.rho, 1e-2, 1e3);
  c.shift = Within(config, "shift", c.shift, 1e-3, 1e3);
  if (c.form == NetworkForm::kFlow && config.Bool("use_dynamic_shifting", false)) {
    config.Unsupported("use_dynamic_shifting", "false");
  }
}

void ReadLevels(const Config& config, SamplerConfig& c) {
  if (!config.Unset("timestep_spacing")) c.spacing = Choose(config, "timestep_spacing", "", kSpacings);
  c.steps_offset = config.Int("steps_offset", 0);
  if (c.steps_offset < 0 || c.steps_offset >= c.train_steps) {
    config.Unsupported("steps_offset", "0 to num_train_timesteps - 1");
  }
  if (c.form == NetworkForm::kDiscrete || c.form == NetworkForm::kEdm) c.sigmas = ChooseSigmas(config);
  c.continuous_timesteps = config.String("timestep_type", "discrete") == "continuous";
  c.final_sigma = Choose(config, "final_sigmas_type",
                         c.final_sigma == FinalSigma::kZero ? "zero" : "sigma_min", kFinalSigmas);
  c.lambda_min_clipped = config.Double("lambda_min_clipped", c.lambda_min_clipped);
  c.time_end = Within(config, "sampling_eps", c.time_end, 0, 1);
}

void ReadSolver(const Config& config, SamplerConfig& c) {
  c.solver_order = config.Int("solver_order", c.solver_order);
  if (c.solver_order < 1 || c.solver_order > 3) config.Unsupported("solver_order", "1, 2, 3");
  c.algorithm = config.String("algorithm_type", c.algorithm);
  const std::string solver = config.String("solver_type", "midpoint");
  c.solver_heun = solver == "heun";
  c.solver_bh1 = solver == "bh1";
  c.predict_x0 = config.Bool("predict_x0", c.predict_x0);
  c.lower_order_final = config.Bool("lower_order_final", c.lower_order_final);
  c.euler_at_final = config.Bool("euler_at_final", c.euler_at_final);
}

}  // namespace

SamplerConfig SamplerConfig::From(const Config& config) {
  SamplerConfig c;
  c.class_name = config.String("_class_name", "");
  const ClassDefaults defaults = DefaultsOf(c.class_name);
  c.form = defaults.form;
  if (defaults.set != nullptr) defaults.set(c);
  ReadNoise(config, c);
  ReadLevels(config, c);
  ReadSolver(config, c);

  c.clip = config.Bool("clip_sample", config.Bool("clip_denoised", defaults.clip));
  c.clip_range = Within(config, "clip_sample_range", c.clip_range, 1e-6, 1e6);
  c.thresholding = config.Bool("thresholding", false);
  c.threshold_ratio = Within(config, "dynamic_thresholding_ratio", c.threshold_ratio, 0, 1);
  c.threshold_max = Within(config, "sample_max_value", c.threshold_max, 0, 1e6);

  if (!config.Unset("set_alpha_to_one")) c.alpha_one_at_end = config.Bool("set_alpha_to_one", false);
  if (!config.Unset("variance_type")) c.variance = Choose(config, "variance_type", "", kVariances);
  c.skip_prk = config.Bool("skip_prk_steps", false);
  c.eta = Within(config, "eta", c.eta, 0, 1e3);
  c.original_steps = config.Int("original_inference_steps", c.original_steps);
  c.timestep_scaling = Within(config, "timestep_scaling", c.timestep_scaling, 0, 1e6);
  c.noise_scale = Within(config, "s_noise", c.noise_scale, 0, 1e3);
  c.snr = Within(config, "snr", c.snr, 0, 1e3);
  c.corrector_steps = config.Int("correct_steps", c.corrector_steps);
  if (c.corrector_steps < 0 || c.corrector_steps > 1000) config.Unsupported("correct_steps", "0 to 1000");
  return c;
}

}  // namespace mind::diffusion
