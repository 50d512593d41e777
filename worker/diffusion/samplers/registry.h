// Samplers by name.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

struct SamplerInfo {
  std::string name;
  double evaluations_per_step = 1;  // of the denoiser, in the long run
};

// Every name MakeSampler knows: ddpm, ddim, pndm, euler, euler_a, heun, dpmpp_2m, and "<name>_karras" for
// those whose noise levels can be spaced after Karras et al. 2022.
const std::vector<SamplerInfo>& AllSamplers();

// The sampler that a model's own configuration asks for. Throws ModelError naming an unknown _class_name.
std::string DefaultSamplerName(const SamplerConfig& config);

// A sampler for a model: `config` is the model's. A name that is not the model's own class keeps the model's
// noise schedule and prediction, and takes its own rule. Throws RequestError for an unknown name or
// impossible step count.
std::unique_ptr<const Sampler> MakeSampler(const std::string& name, SamplerConfig config, int64_t steps);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_REGISTRY_H_
