#include "worker/diffusion/samplers/dpmpp_sde.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

// The exact solution from sigma `from` to `to` under a constant x0, with the noise an ancestral step adds.
at::Tensor Advance(const at::Tensor& x, const at::Tensor& x0, double from, double to,
                   const at::Tensor& noise) {
  const double up = std::min(to, std::sqrt(to * to * (from * from - to * to) / (from * from)));
  const double down = std::sqrt(to * to - up * up);
  return (down / from) * x + (1 - down / from) * x0 + up * noise;
}

}  // namespace

DpmppSdeSampler::DpmppSdeSampler(const SamplerConfig& config, NoiseLevels levels)
    : LevelSampler(config, std::move(levels)),
      middles_(GeometricMiddles(config_, levels_, [](double, double to) { return to; })) {}

Task DpmppSdeSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const NoiseLevel from = From(state), to = To(state);
  const at::Tensor x = state.x;
  const Denoised here = co_await Denoise(config_, evaluate, x, from);
  state.denoised = here.x0;
  if (state.step + 1 == steps()) {
    state.x = Noised(here, to);
    co_return;
  }
  // The path's time is sigma. Its increment over the whole step is that to the middle plus that from there.
  const NoiseLevel& middle = middles_[static_cast<size_t>(state.step)];
  const at::Tensor first = state.noise->DrawLike(x);
  const at::Tensor halfway_x = Advance(x, here.x0, from.sigma, middle.sigma, first * config_.noise_scale);
  const Denoised halfway = co_await Denoise(config_, evaluate, halfway_x, middle);
  state.denoised = halfway.x0;
  const at::Tensor second = state.noise->DrawLike(x);
  const at::Tensor whole =
      (first * std::sqrt(from.sigma - middle.sigma) + second * std::sqrt(middle.sigma - to.sigma)) /
      std::sqrt(from.sigma - to.sigma);
  state.x = Advance(x, halfway.x0, from.sigma, to.sigma, whole * config_.noise_scale);
}

}  // namespace mind::diffusion
