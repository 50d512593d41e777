// The reverse-time SDE solved in even steps of time, optionally corrected by Langevin steps at each level
// (predictor-corrector). Song et al. 2021, sec. 4.1, 4.2, alg. 2 to 5. Reference: score_sde_pytorch
// sampling.py; diffusers ScoreSdeVeScheduler, ScoreSdeVpScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_REVERSE_SDE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_REVERSE_SDE_H_

#include "worker/diffusion/samplers/continuous_path.h"
#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// One evaluation for the predictor and one for each corrector step. The last step shows the mean.
class ReverseSdeSampler : public Sampler {
 public:
  ReverseSdeSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override { return steps() * (1 + config_.corrector_steps); }
  NoiseLevel LevelOf(int64_t step) const override { return path_.At(TimeOf(step)); }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  double TimeOf(int64_t step) const;
  at::Tensor Corrected(const at::Tensor& x, const at::Tensor& score, double t, NoiseSource& noise) const;
  // What the predictor makes of x: its mean, and the deviation of the noise to add.
  std::pair<at::Tensor, double> Predicted(const at::Tensor& x, const at::Tensor& score, double t) const;

  SamplerConfig config_;
  ContinuousPath path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_REVERSE_SDE_H_
