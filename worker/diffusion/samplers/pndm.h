// Pseudo numerical methods for diffusion models: Runge-Kutta start (or, as Stable Diffusion does, an improved
// Euler start), then linear multistep. Liu et al. 2022, eq. 9, 11-13. Reference: diffusers PNDMScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_

#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// history: the newest noise predictions, at most four, oldest first.
class PndmSampler : public Sampler {
 public:
  PndmSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  bool InRungeKutta(int64_t step) const { return !config_.skip_prk && step < 3; }
  double AlphaAt(int64_t t) const { return t >= 0 ? alphas_cumprod_[static_cast<size_t>(t)] : final_alpha_; }
  // x moved from training step t to `next` along a noise prediction (eq. 11).
  at::Tensor Transfer(const at::Tensor& x, const at::Tensor& output, int64_t t, int64_t next) const;

  SamplerConfig config_;
  std::vector<double> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
  int64_t stride_;
  double final_alpha_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_
