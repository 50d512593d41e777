#include "worker/diffusion/samplers/registry.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/ddim.h"
#include "worker/diffusion/samplers/ddpm.h"
#include "worker/diffusion/samplers/dpm_solver_multistep.h"
#include "worker/diffusion/samplers/euler.h"
#include "worker/diffusion/samplers/euler_ancestral.h"
#include "worker/diffusion/samplers/heun.h"
#include "worker/diffusion/samplers/pndm.h"

namespace mind::diffusion {
namespace {

using Make = std::unique_ptr<const Sampler> (*)(const SamplerConfig&, int64_t);

template <typename S>
std::unique_ptr<const Sampler> MakeOne(const SamplerConfig& config, int64_t steps) {
  return std::make_unique<S>(config, steps);
}

struct Rule {
  const char* name;
  const char* class_name;  // diffusers' class
  bool karras;             // whether "<name>_karras" exists
  double evaluations_per_step;
  Make make;
};

constexpr Rule kRules[] = {
    {"ddpm", "DDPMScheduler", false, 1, MakeOne<DdpmSampler>},
    {"ddim", "DDIMScheduler", false, 1, MakeOne<DdimSampler>},
    {"pndm", "PNDMScheduler", false, 1, MakeOne<PndmSampler>},
    {"euler", "EulerDiscreteScheduler", true, 1, MakeOne<EulerSampler>},
    {"euler_a", "EulerAncestralDiscreteScheduler", false, 1, MakeOne<EulerAncestralSampler>},
    {"heun", "HeunDiscreteScheduler", true, 2, MakeOne<HeunSampler>},
    {"dpmpp_2m", "DPMSolverMultistepScheduler", true, 1, MakeOne<DpmSolverMultistepSampler>},
};

constexpr char kKarrasSuffix[] = "_karras";

}  // namespace

const std::vector<SamplerInfo>& AllSamplers() {
  static const auto* const samplers = [] {
    auto* all = new std::vector<SamplerInfo>;
    for (const Rule& rule : kRules) {
      all->push_back({rule.name, rule.evaluations_per_step});
      if (rule.karras) all->push_back({std::string(rule.name) + kKarrasSuffix, rule.evaluations_per_step});
    }
    return all;
  }();
  return *samplers;
}

std::string DefaultSamplerName(const SamplerConfig& config) {
  std::string known;
  for (const Rule& rule : kRules) {
    if (config.class_name == rule.class_name) {
      return rule.karras && config.sigmas == SigmaSpacing::kKarras ? std::string(rule.name) + kKarrasSuffix
                                                                   : rule.name;
    }
    known += std::string(known.empty() ? "" : ", ") + rule.class_name;
  }
  throw UnsupportedError("scheduler_config.json: _class_name \"" + config.class_name +
                         "\" is not supported; supported: " + known);
}

std::unique_ptr<const Sampler> MakeSampler(const std::string& name, SamplerConfig config, int64_t steps) {
  if (steps < 1 || steps > config.train_steps) {
    throw RequestError("steps must be 1 to " + std::to_string(config.train_steps) +
                       ", given: " + std::to_string(steps));
  }
  for (const Rule& rule : kRules) {
    const bool karras = rule.karras && name == std::string(rule.name) + kKarrasSuffix;
    if (name != rule.name && !karras) continue;
    const bool own = config.class_name == rule.class_name;
    if (karras) config.sigmas = SigmaSpacing::kKarras;
    if (!own) {
      // Settings that other classes read differently; the rule's own defaults hold.
      config.algorithm = "dpmsolver++";
      config.solver_order = 2;
      config.solver_heun = false;
      config.final_sigma = FinalSigma::kZero;
      config.skip_prk = true;  // the start Stable Diffusion uses; works for any step count
      if (!karras) config.sigmas = SigmaSpacing::kPlain;
    }
    return rule.make(config, steps);
  }
  std::string known;
  for (const SamplerInfo& one : AllSamplers()) known += (known.empty() ? "" : ", ") + one.name;
  throw RequestError("unknown sampler \"" + name + "\"; known: " + known);
}

}  // namespace mind::diffusion
