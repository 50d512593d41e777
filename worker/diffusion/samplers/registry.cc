#include "worker/diffusion/samplers/registry.h"

#include <algorithm>
#include <cctype>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/rules.h"

namespace mind::diffusion {
namespace {

constexpr char kKarrasSuffix[] = "_karras";
constexpr char kKarrasAlias[] = " Karras";  // A1111's way to write it

constexpr int64_t kProbed = 8;  // steps: enough for any start
// Making a sampler takes time in proportion to its steps, and a file may name any number.
constexpr int64_t kMostLookedFor = 10'000;

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

// The model's configuration as a rule sees it: its own in full, another with what that takes for granted.
SamplerConfig ConfigFor(const Named& named, const SamplerConfig& model) {
  const bool own = IsOwn(*named.rule, model);
  SamplerConfig config = own ? model : model.ForAnotherRule();
  if (!own && named.rule->defaults != nullptr) named.rule->defaults(config);
  if (named.karras) config.sigmas = SigmaSpacing::kKarras;
  return config;
}

// Of a step, in the long run.
double EvaluationsPerStep(const Rule& rule, const SamplerConfig& config) {
  double evaluations = rule.evaluations_per_step;
  for (const Parameter* const parameter : rule.parameters) {
    if (parameter->info.evaluations_per_step == 0) continue;
    evaluations += parameter->info.evaluations_per_step * std::get<double>(parameter->get(config));
  }
  return evaluations;
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

// The rule at this step count; null where it has none for this model.
std::unique_ptr<const Sampler> MakeIfPossible(const Rule& rule, const SamplerConfig& config, int64_t steps) {
  try {
    return rule.make(config, steps);
  } catch (const RequestError&) {
    return nullptr;
  }
}

// The rule at some step count, or null where it has none for this model: some starts need many steps, some
// students take few.
std::unique_ptr<const Sampler> Probe(const Rule& rule, const SamplerConfig& config) {
  auto sampler = MakeIfPossible(rule, config, std::min(kProbed, config.train_steps));
  return sampler != nullptr ? std::move(sampler) : MakeIfPossible(rule, config, 1);
}

// A possible count above which the next one is not, found by halving. REQUIRES: Probe finds one.
int64_t MaxSteps(const Rule& rule, const SamplerConfig& config) {
  int64_t above = std::min(config.train_steps, kMostLookedFor);
  if (MakeIfPossible(rule, config, above) != nullptr) return config.train_steps;
  int64_t possible = MakeIfPossible(rule, config, kProbed) != nullptr ? kProbed : 1;
  while (above - possible > 1) {
    const int64_t middle = possible + (above - possible) / 2;
    (MakeIfPossible(rule, config, middle) != nullptr ? possible : above) = middle;
  }
  return possible;
}

}  // namespace

std::vector<SamplerInfo> SamplersFor(const SamplerConfig& config) {
  std::vector<SamplerInfo> all;
  for (const Named& named : AllNames()) {
    const Rule& rule = *named.rule;
    if (!CanSample(rule, config)) continue;
    const SamplerConfig effective = ConfigFor(named, config);
    SamplerInfo info{.name = NameOf(named),
                     .description = rule.description,
                     .aliases = AliasesOf(named),
                     .evaluations_per_step = rule.adaptive ? 0 : EvaluationsPerStep(rule, effective),
                     .evaluations = 0,
                     .stochastic = rule.stochastic,
                     .max_steps = 0,
                     .parameters = {}};
    const std::unique_ptr<const Sampler> sampler = Probe(rule, effective);
    if (sampler == nullptr) continue;  // this model lacks what the rule needs
    info.max_steps = MaxSteps(rule, effective);
    if (rule.adaptive) info.evaluations = static_cast<double>(sampler->evaluations());
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
