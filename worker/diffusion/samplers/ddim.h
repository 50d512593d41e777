// Denoising diffusion implicit models. Song et al. 2021, eq. 12 and 16 (eta); run backwards, from picture to
// noise: the same equations up the levels. Reference: diffusers DDIMScheduler, DDIMInverseScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class DdimSampler : public Sampler {
 public:
  struct Move {
    NoiseLevel from, to;
  };

  DdimSampler(const SamplerConfig& config, std::vector<Move> moves, double initial_scale = 1);
  DdimSampler(const SamplerConfig& config, int64_t steps);
  NoiseLevel LevelOf(int64_t step) const override { return moves_[static_cast<size_t>(step)].from; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  SamplerConfig config_;
  std::vector<Move> moves_;
};

class DdimInverseSampler : public DdimSampler {
 public:
  DdimInverseSampler(const SamplerConfig& config, int64_t steps);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DDIM_H_
