#include "worker/diffusion/samplers/kdpm2.h"

#include <cmath>

#include "worker/diffusion/samplers/euler_ancestral.h"

namespace mind::diffusion {

namespace {

double EndOf(double, double to) {
  return to;
}

double DownOf(double from, double to) {
  return AncestralStep::Between(from, to).down;
}

}  // namespace

Kdpm2Sampler::Kdpm2Sampler(const SamplerConfig& config, NoiseLevels levels, bool ancestral)
    : LevelSampler(config, std::move(levels)),
      ancestral_(ancestral),
      middles_(GeometricMiddles(config_, levels_, ancestral ? DownOf : EndOf)) {}

Task Kdpm2Sampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const at::Tensor x = state.x;
  const Denoised here = co_await Denoise(config_, evaluate, x, from);
  state.denoised = here.x0;
  if (state.step + 1 == steps()) {
    state.x = Noised(here, to);
    co_return;
  }
  const NoiseLevel& middle = middles_[static_cast<size_t>(state.step)];
  const Denoised halfway = co_await Denoise(config_, evaluate, Noised(here, middle), middle);
  state.denoised = halfway.x0;
  const AncestralStep step =
      ancestral_ ? AncestralStep::Between(from.sigma, to.sigma) : AncestralStep{to.sigma, 0};
  state.x = x + halfway.noise * (step.down - from.sigma);
  if (ancestral_) state.x = state.x + state.noise->DrawLike(x) * (step.up * config_.noise_scale);
}

}  // namespace mind::diffusion
