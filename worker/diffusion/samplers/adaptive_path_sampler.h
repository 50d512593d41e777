// What samplers that choose their own steps in continuous time have in common.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_PATH_SAMPLER_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_PATH_SAMPLER_H_

#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// Its steps are equal stretches of time, for progress, previews and checkpoints; how many does not change the
// picture.
class AdaptivePathSampler : public Sampler {
 public:
  AdaptivePathSampler(const SamplerConfig& config, int64_t steps)
      : Sampler(steps, ContinuousPath(config).initial_scale()), config_(config), path_(config) {}
  NoiseLevel LevelOf(int64_t step) const override { return path_.At(TimeOf(step)); }

 protected:
  // Where a step's stretch begins.
  double TimeOf(int64_t step) const {
    if (step == steps()) return path_.end();
    const double ramp = static_cast<double>(step) / static_cast<double>(steps());
    return path_.start() + (path_.end() - path_.start()) * ramp;
  }

  SamplerConfig config_;
  ContinuousPath path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_ADAPTIVE_PATH_SAMPLER_H_
