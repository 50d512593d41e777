// UniPC: a multistep predictor of any order and a corrector that costs no evaluation, since it uses the one
// the next step asks for anyway. Zhao et al. 2023, alg. 5 to 8, B(h) of both kinds. Reference: diffusers
// UniPCMultistepScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_UNIPC_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_UNIPC_H_

#include "worker/diffusion/samplers/level_sampler.h"

namespace mind::diffusion {

// history: x before the last prediction, then the newest predictions (x0, or noise), at most `order`, oldest
// first.
class UniPcSampler : public LevelSampler {
 public:
  // Throws ModelError where the configuration's parts do not go together.
  UniPcSampler(const SamplerConfig& config, NoiseLevels levels);
  UniPcSampler(const SamplerConfig& config, int64_t steps)
      : UniPcSampler(config, SolverLevels(config, steps)) {}
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  int64_t OrderOf(int64_t step, int64_t known) const;
  bool Corrects(int64_t step) const;  // whether its result is corrected, by the next step's evaluation
  // x moved from level `from` to `from` + 1. `m`: predictions at `from` and before, oldest first; `next`: the
  // one at `from` + 1, where the corrector knows it.
  at::Tensor Move(const at::Tensor& x, const std::vector<at::Tensor>& m, size_t from, int64_t order,
                  const at::Tensor& next) const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_UNIPC_H_
