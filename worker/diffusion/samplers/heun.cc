#include "worker/diffusion/samplers/heun.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {

HeunSampler::HeunSampler(const SamplerConfig& config, int64_t steps)
    : LevelSampler(config, SigmaLevels(config, steps, Spacing::kLinspace)) {
  if (config.churn > 0) throw RequestError("churn must be 0 in this sampler for a model of this kind");
}

Task HeunSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const at::Tensor x = state.x;
  const Denoised here = co_await Denoise(config_, evaluate, x, from);
  state.denoised = here.x0;
  state.x = Noised(here, to);
  if (to.sigma == 0) co_return;

  const Denoised there = co_await Denoise(config_, evaluate, state.x, to);
  state.denoised = there.x0;
  state.x = x + (here.noise + there.noise) / 2 * (to.sigma - from.sigma);
}

}  // namespace mind::diffusion
