// What samplers that walk along fixed noise levels have in common.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_LEVEL_SAMPLER_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_LEVEL_SAMPLER_H_

#include <utility>
#include <vector>

#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/parametrization.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// Step i goes from level i to level i + 1.
class LevelSampler : public Sampler {
 public:
  LevelSampler(const SamplerConfig& config, NoiseLevels levels)
      : Sampler(levels.steps(), levels.initial_scale), config_(config), levels_(std::move(levels)) {}
  NoiseLevel LevelOf(int64_t step) const override { return levels_[static_cast<size_t>(step)]; }

 protected:
  const NoiseLevel& From(const SampleState& state) const { return levels_[static_cast<size_t>(state.step)]; }
  const NoiseLevel& To(const SampleState& state) const {
    return levels_[static_cast<size_t>(state.step) + 1];
  }

  // x0 and noise put together again at another level: one step of DDIM.
  static at::Tensor Noised(const Denoised& estimate, const NoiseLevel& level) {
    return level.sigma > 0 ? level.alpha * estimate.x0 + level.sigma * estimate.noise
                           : level.alpha * estimate.x0;
  }
  // Adds to a history of at most `size`, oldest first.
  static void Remember(std::vector<at::Tensor>& history, at::Tensor value, int64_t size) {
    history.push_back(std::move(value));
    if (static_cast<int64_t>(history.size()) > size) history.erase(history.begin());
  }

  SamplerConfig config_;
  NoiseLevels levels_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_LEVEL_SAMPLER_H_
