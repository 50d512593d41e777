// The table of samplers behind the registry.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_RULES_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_RULES_H_

#include <memory>
#include <vector>

#include "worker/diffusion/samplers/parameters.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

struct Rule {
  const char* name;
  const char* description;
  std::vector<const char*> class_names;  // diffusers' classes whose own sampler it is
  std::vector<const char*> aliases;
  std::vector<NetworkForm> forms;   // of networks it can sample
  bool karras = false;              // whether "<name>_karras" exists
  bool adaptive = false;            // chooses its own steps
  double evaluations_per_step = 1;  // beside those that a parameter counts
  bool stochastic = false;
  std::vector<const Parameter*> parameters;
  bool limits_x0 = true;  // whether thresholding is for it
  // What it takes for granted where the model's own class is another.
  void (*defaults)(SamplerConfig&) = nullptr;
  std::unique_ptr<const Sampler> (*make)(const SamplerConfig&, int64_t steps) = nullptr;
};

// In the order they are listed to users.
const std::vector<Rule>& Rules();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_RULES_H_
