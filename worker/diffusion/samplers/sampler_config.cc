#include "worker/diffusion/samplers/sampler_config.h"

#include <algorithm>

#include "worker/diffusion/samplers/scheduler_classes.h"

namespace mind::diffusion {
namespace {

// What no key can tell alone.
void CheckTogether(const Config& config, const SamplerConfig& c) {
  if (!c.trained_betas.empty() && c.trained_betas.size() != static_cast<size_t>(c.train_steps)) {
    config.Unsupported("trained_betas", "num_train_timesteps numbers");
  }
  if (c.zero_terminal_snr && c.prediction == Prediction::kEpsilon) {
    // The noisiest step holds no signal: what noise there is says nothing of x0 (Lin et al. 2023, sec. 3.1).
    config.Unsupported("rescale_betas_zero_snr",
                       "true with prediction_type v_prediction or sample, else false");
  }
  const auto falls = [](const std::optional<double>& min, const std::optional<double>& max) {
    return min && max && !(*max > *min);
  };
  if (falls(c.sigma_min, c.sigma_max) || falls(c.spaced_min, c.spaced_max)) {
    config.Unsupported("sigma_min", "more than 0 and less than sigma_max");
  }
  if (c.log_linear && c.continuous_timesteps && c.sigmas == SigmaSpacing::kPlain) {
    config.Unsupported("interpolation_type", "linear, where timestep_type is continuous");
  }
}

}  // namespace

SamplerConfig SamplerConfig::From(const Config& config) {
  const SchedulerClass* const known = FindSchedulerClass(config.String("_class_name", ""));
  if (known == nullptr) config.Unsupported("_class_name", SamplingClassNames());
  SamplerConfig c;
  c.class_name = known->name;
  c.form = known->form;
  if (known->defaults != nullptr) known->defaults(c);
  for (const SchedulerKey& key : known->keys) {
    if (key.read != nullptr) key.read(config, c);
  }
  // A network told log(sigma) / 4 predicts the velocity; beside another prediction the reference does not
  // look.
  c.continuous_timesteps = c.continuous_timesteps && c.prediction == Prediction::kVelocity;
  c.original_steps = std::min(c.original_steps, c.train_steps);
  CheckTogether(config, c);
  return c;
}

SamplerConfig SamplerConfig::ForAnotherRule() const {
  // Just above the noisiest step of the noisiest schedule these rules were designed for, DDPM's linear one.
  // The cosine schedule goes to 20 000.
  constexpr double kSigmaCap = 160;
  SamplerConfig c = *this;
  static_cast<RuleOptions&>(c) = RuleOptions();
  c.sigma_cap = kSigmaCap;
  // A learned variance is the network's: it answers with it whatever the rule.
  if (variance == Variance::kLearned || variance == Variance::kLearnedRange) c.variance = variance;
  return c;
}

}  // namespace mind::diffusion
