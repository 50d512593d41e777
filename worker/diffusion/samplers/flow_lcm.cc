#include "worker/diffusion/samplers/flow_lcm.h"

namespace mind::diffusion {

Task FlowLcmSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, From(state));
  state.denoised = estimate.x0;
  const NoiseLevel& to = To(state);
  state.x = to.sigma > 0 ? NoisedTo(to, estimate.x0, state.noise->DrawLike(state.x)) : estimate.x0;
}

}  // namespace mind::diffusion
