#include "worker/diffusion/samplers/registry.h"

#include <algorithm>
#include <cctype>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/rules.h"

namespace mind::diffusion {
namespace {

constexpr char kKarrasSuffix[] = "_karras";
constexpr char kKarrasAlias[] = " Karras";  // A1111's way to write it

// Just above the noisiest step of the noisiest schedule these rules were designed for, DDPM's linear one. The
// cosine schedule goes to 20 000.
constexpr double kSigmaCap = 160;

// A rule, and whether it was asked for by its Karras name.
struct Named {
  const Rule* rule;
  bool karras;
};

std::string NameOf(const Named& named) {
  return std::string(named.rule->name) + (named.karras ? kKarrasSuffix : "");
}

std::vector<Named> AllNames() {
  std::vector<Named> all;
  for (const Rule& rule : Rules()) {
    all.push_back({&rule, false});
    if (rule.karras) all.push_back({&rule, true});
  }
  return all;
}

std::vector<std::string> AliasesOf(const Named& named) {
  std::vector<std::string> aliases;
  for (const char* const alias : named.rule->aliases) {
    aliases.push_back(std::string(alias) + (named.karras ? kKarrasAlias : ""));
  }
  if (named.karras) {
    aliases.push_back(std::string(named.rule->name) + kKarrasAlias);
  } else {
    aliases.insert(aliases.end(), named.rule->class_names.begin(), named.rule->class_names.end());
  }
  return aliases;
}

bool SameWord(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool CanSample(const Rule& rule, const SamplerConfig& config) {
  return std::find(rule.forms.begin(), rule.forms.end(), config.form) != rule.forms.end();
}

bool IsOwn(const Rule& rule, const SamplerConfig& config) {
  return std::any_of(rule.class_names.begin(), rule.class_names.end(),
                     [&](const char* name) { return config.class_name == name; });
}

// The model's configuration as a rule of another class sees it: what the network was trained on and how its
// steps are spaced stays, what another class's rule was told does not concern it.
SamplerConfig WithoutRule(const SamplerConfig& model) {
  const SamplerConfig fresh;
  SamplerConfig c = model;
  c.sigma_cap = kSigmaCap;
  c.sigmas = fresh.sigmas;
  c.final_sigma = fresh.final_sigma;
  c.eta = fresh.eta;
  c.use_clipped_output = fresh.use_clipped_output;
  c.variance = model.variance == Variance::kLearned || model.variance == Variance::kLearnedRange
                   ? model.variance
                   : fresh.variance;
  c.skip_prk = fresh.skip_prk;
  c.solver_order = fresh.solver_order;
  c.algorithm = fresh.algorithm;
  c.solver_heun = c.solver_bh1 = false;
  c.predict_x0 = fresh.predict_x0;
  c.lower_order_final = fresh.lower_order_final;
  c.euler_at_final = fresh.euler_at_final;
  return c;
}

SamplerConfig ConfigFor(const Named& named, const SamplerConfig& model) {
  SamplerConfig config = IsOwn(*named.rule, model) ? model : WithoutRule(model);
  // A class of another model family than the rule's first says nothing about the rule's own switches.
  if (named.rule->defaults != nullptr &&
      !(IsOwn(*named.rule, model) && model.form == NetworkForm::kDiscrete)) {
    named.rule->defaults(config);
  }
  if (named.karras) config.sigmas = SigmaSpacing::kKarras;
  return config;
}

Named Find(const std::string& name, const SamplerConfig& model) {
  const std::vector<Named> all = AllNames();
  std::string known;
  for (const Named& named : all) {
    const std::vector<std::string> aliases = AliasesOf(named);
    if (name == NameOf(named) || std::any_of(aliases.begin(), aliases.end(), [&](const std::string& alias) {
          return SameWord(alias, name);
        })) {
      if (CanSample(*named.rule, model)) return named;
      throw RequestError("the sampler \"" + NameOf(named) +
                         "\" cannot sample this kind of model; its own is \"" + DefaultSamplerName(model) +
                         "\"");
    }
    if (CanSample(*named.rule, model)) known += (known.empty() ? "" : ", ") + NameOf(named);
  }
  throw RequestError("unknown sampler \"" + name + "\"; known: " + known);
}

void ApplyParameters(const Named& named, const SamplerParameters& parameters, SamplerConfig& config) {
  for (const auto& [name, value] : parameters) {
    std::string known;
    const Parameter* found = nullptr;
    for (const Parameter* const parameter : named.rule->parameters) {
      if (parameter->info.name == name) found = parameter;
      known += (known.empty() ? "" : ", ") + parameter->info.name;
    }
    if (found == nullptr) {
      throw RequestError("the sampler \"" + NameOf(named) + "\" has no parameter \"" + name +
                         "\"; it has: " + known);
    }
    found->Apply(NameOf(named), value, config);
  }
}

void CheckSteps(const SamplerConfig& config, int64_t steps) {
  if (steps < 1 || steps > config.train_steps) {
    throw RequestError("steps must be 1 to " + std::to_string(config.train_steps) +
                       ", given: " + std::to_string(steps));
  }
  const size_t listed = !config.custom_timesteps.empty() ? config.custom_timesteps.size()
                        : !config.custom_sigmas.empty()  ? config.custom_sigmas.size() - 1
                                                         : static_cast<size_t>(steps);
  if (listed != static_cast<size_t>(steps)) {
    throw RequestError("the list given makes " + std::to_string(listed) + " steps, but steps is " +
                       std::to_string(steps));
  }
}

}  // namespace

std::vector<SamplerInfo> SamplersFor(const SamplerConfig& config) {
  constexpr int64_t kProbe = 8;
  std::vector<SamplerInfo> all;
  for (const Named& named : AllNames()) {
    const Rule& rule = *named.rule;
    if (!CanSample(rule, config)) continue;
    SamplerInfo info{.name = NameOf(named),
                     .description = rule.description,
                     .aliases = AliasesOf(named),
                     .evaluations_per_step = rule.evaluations_per_step,
                     .evaluations = 0,
                     .stochastic = rule.stochastic,
                     .parameters = {}};
    const SamplerConfig effective = ConfigFor(named, config);
    try {
      const auto sampler = rule.make(effective, std::min(kProbe, config.train_steps));
      if (rule.evaluations_per_step == 0) info.evaluations = static_cast<double>(sampler->evaluations());
    } catch (const RequestError&) {
      continue;  // this model lacks what the rule needs
    }
    for (const Parameter* const parameter : rule.parameters) {
      info.parameters.push_back(parameter->Describe(effective));
    }
    all.push_back(std::move(info));
  }
  return all;
}

std::string DefaultSamplerName(const SamplerConfig& config) {
  std::string known;
  for (const Rule& rule : Rules()) {
    if (IsOwn(rule, config)) {
      return NameOf({&rule, rule.karras && config.form == NetworkForm::kDiscrete &&
                                config.sigmas == SigmaSpacing::kKarras});
    }
    for (const char* const name : rule.class_names) known += std::string(known.empty() ? "" : ", ") + name;
  }
  throw UnsupportedError("scheduler_config.json: _class_name \"" + config.class_name +
                         "\" is not supported; supported: " + known);
}

std::unique_ptr<const Sampler> MakeSampler(const std::string& name, const SamplerConfig& model, int64_t steps,
                                           const SamplerParameters& parameters) {
  const Named named = Find(name, model);
  SamplerConfig config = ConfigFor(named, model);
  ApplyParameters(named, parameters, config);
  CheckSteps(config, steps);
  return named.rule->make(config, steps);
}

}  // namespace mind::diffusion
