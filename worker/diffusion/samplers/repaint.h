// RePaint: inpainting with an unconditional model, by putting the known part back at every step and walking
// some steps back up to let both parts agree. Lugmayr et al. 2022, alg. 1. Reference: diffusers
// RePaintScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_REPAINT_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_REPAINT_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// What is known of the picture: the original like x, and a mask that broadcasts to it, 1 where it is kept.
struct KnownPicture {
  at::Tensor original, mask;
};

// Down a level costs an evaluation, up none; both count as steps.
class RepaintSampler : public Sampler {
 public:
  // `descents`: how many levels the way down has.
  RepaintSampler(const SamplerConfig& config, int64_t descents, KnownPicture known);
  int64_t evaluations() const override { return evaluations_; }
  NoiseLevel LevelOf(int64_t step) const override;
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  RepaintSampler(const SamplerConfig& config, int64_t descents, KnownPicture known,
                 std::vector<int64_t> timesteps);

  SamplerConfig config_;
  KnownPicture known_;
  std::vector<double> betas_;
  std::vector<double> alphas_cumprod_;
  int64_t stride_;
  std::vector<int64_t> timesteps_;  // a rise is a step up
  int64_t evaluations_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_REPAINT_H_
