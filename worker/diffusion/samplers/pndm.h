// Pseudo numerical methods for diffusion models: Runge-Kutta start (or, as Stable Diffusion does, an improved
// Euler start), then linear multistep. Liu et al. 2022, eq. 9, 11-13. Reference: diffusers PNDMScheduler.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_

#include <algorithm>
#include <vector>

#include "worker/diffusion/samplers/noise_level.h"
#include "worker/diffusion/samplers/sampler.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace mind::diffusion {

// history: the newest noise predictions, at most four, oldest first.
class PndmSampler : public Sampler {
 public:
  // From one training step towards the next.
  struct Move {
    NoiseLevel from, to;
    NoiseLevel half, middle;  // half a stride below `from`, and above `to`: one apart where strides are odd
    // Of the very first step of the improved Euler start: where it looks, and from where it then counts, as
    // the reference does: with uneven spacing that is not quite `from`.
    NoiseLevel look, counted;
  };

  PndmSampler(const SamplerConfig& config, std::vector<Move> moves);
  // Throws RequestError where the start needs more steps, or the model predicts x0.
  PndmSampler(const SamplerConfig& config, int64_t steps);
  int64_t evaluations() const override;
  NoiseLevel LevelOf(int64_t step) const override { return moves_[static_cast<size_t>(step)].from; }
  NoiseLevel StartLevelOf(int64_t step) const override { return MoveFrom(step).from; }
  Task Step(SampleState& state, Evaluator& evaluate) const override;

 private:
  // The move that a trajectory begun at a step makes first. The reference's list of timesteps has the second
  // one twice, so counting into it lands one level higher, and what follows skips one.
  const Move& MoveFrom(int64_t step) const {
    return moves_[static_cast<size_t>(std::max<int64_t>(step - 1, 0))];
  }
  bool InRungeKutta(int64_t step) const { return !config_.skip_prk && step < 3; }
  // x moved from one level to another along a network's answer (eq. 11).
  at::Tensor Transfer(const at::Tensor& x, const at::Tensor& output, const NoiseLevel& from,
                      const NoiseLevel& to) const;

  SamplerConfig config_;
  std::vector<Move> moves_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_PNDM_H_
