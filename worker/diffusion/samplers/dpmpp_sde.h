// DPM-Solver++ (2S) as an SDE, its noise taken from one Brownian path a trajectory: the middle and the end of
// a step see the same path. Two evaluations a step, one in the last. Reference: diffusers
// DPMSolverSDEScheduler, after K. Crowson's k-diffusion.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_DPMPP_SDE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_DPMPP_SDE_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

class DpmppSdeSampler : public LevelSampler {
 public:
  DpmppSdeSampler(const SamplerConfig& config, NoiseLevels levels);
  DpmppSdeSampler(const SamplerConfig& config, int64_t steps)
      : DpmppSdeSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {}
  int64_t evaluations() const override { return 2 * steps() - 1; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  std::vector<NoiseLevel> middles_;  // of every step but the last
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_DPMPP_SDE_H_
