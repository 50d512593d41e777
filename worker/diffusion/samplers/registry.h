// Samplers by name.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/parameters.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// A sampler as a model offers it.
struct SamplerInfo {
  std::string name;
  std::string description;
  std::vector<std::string> aliases;  // its names in other programs, any case
  // Evaluations of the denoiser a step takes, in the long run. 0: the sampler is adaptive, steps only say how
  // often it reports, and a picture takes about `evaluations`.
  double evaluations_per_step = 1;
  double evaluations = 0;
  bool stochastic = false;  // whether it draws noise beyond the first
  // The most it can take: some spacings have no level for each of the model's training steps.
  int64_t max_steps = 0;
  std::vector<ParameterInfo> parameters;

  bool operator==(const SamplerInfo&) const = default;
};

// Every sampler that can sample a model of this configuration. "<name>_karras" are those whose noise levels
// can be spaced after Karras et al. 2022, so spaced.
std::vector<SamplerInfo> SamplersFor(const SamplerConfig& config);

// The sampler that a model's own configuration asks for. Throws ModelError naming an unknown _class_name.
std::string DefaultSamplerName(const SamplerConfig& config);

// A sampler for a model: `config` is the model's. A name that is not the model's own class keeps the model's
// noise schedule, spacing and prediction, and takes its own rule. `name` may be an alias. Throws RequestError
// for an unknown name or parameter, a parameter out of range, an impossible step count, or a sampler that
// cannot sample this kind of model.
std::unique_ptr<const Sampler> MakeSampler(const std::string& name, const SamplerConfig& config,
                                           int64_t steps, const SamplerParameters& parameters = {});

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_
