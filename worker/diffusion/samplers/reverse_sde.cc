#include "worker/diffusion/samplers/reverse_sde.h"

#include <cmath>

namespace mind::diffusion {
namespace {

// Of one picture; of several at once, which only the reference's records have, the mean.
at::Tensor MeanNorm(const at::Tensor& x) {
  return x.dim() > 3 ? x.flatten(1).norm(2, 1).mean() : x.norm();
}

}  // namespace

ReverseSdeSampler::ReverseSdeSampler(const SamplerConfig& config, int64_t steps)
    : Sampler(steps, ContinuousPath(config).initial_scale()), config_(config), path_(config) {}

double ReverseSdeSampler::TimeOf(int64_t step) const {
  if (steps() == 1) return path_.start();
  const double ramp = static_cast<double>(step) / static_cast<double>(steps() - 1);
  return path_.start() + ramp * (path_.end() - path_.start());
}

Task ReverseSdeSampler::Step(SampleState& state, Evaluator& evaluate) const {
  const double t = TimeOf(state.step);
  const NoiseLevel level = path_.At(t);
  for (int64_t k = 0; k < config_.corrector_steps; ++k) {
    const Denoised estimate = co_await Denoise(config_, evaluate, state.x, level);
    state.x = Corrected(state.x, ContinuousPath::Score(estimate, level), t, *state.noise);
  }
  const Denoised estimate = co_await Denoise(config_, evaluate, state.x, level);
  state.denoised = estimate.x0;
  const auto [mean, deviation] = Predicted(state.x, ContinuousPath::Score(estimate, level), t);
  const bool last = state.step + 1 == steps();
  state.x = last ? mean : mean + deviation * state.noise->DrawLike(mean);
}

at::Tensor ReverseSdeSampler::Corrected(const at::Tensor& x, const at::Tensor& score, double t,
                                        NoiseSource& source) const {
  const int64_t k = static_cast<int64_t>(t * static_cast<double>(steps() - 1));
  const double alpha = path_.StepOf(k, steps()).alpha;
  const at::Tensor noise = source.DrawLike(x);
  const at::Tensor ratio = config_.annealed_corrector ? at::full({}, path_.At(t).sigma, x.options())
                                                      : MeanNorm(noise) / MeanNorm(score);
  const at::Tensor size = (config_.snr * ratio).square() * (2 * alpha);
  return x + size * score + (2 * size).sqrt() * noise;
}

std::pair<at::Tensor, double> ReverseSdeSampler::Predicted(const at::Tensor& x, const at::Tensor& score,
                                                           double t) const {
  if (config_.predictor == Predictor::kEulerMaruyama) {
    const double dt = 1 / static_cast<double>(steps());
    const double g2 = path_.Diffusion(t);
    return {x - dt * (path_.Drift(t) * x - g2 * score), std::sqrt(g2 * dt)};
  }
  const int64_t k = static_cast<int64_t>(t * static_cast<double>(steps() - 1));
  const ContinuousPath::Discretised step = path_.StepOf(k, steps());
  if (config_.predictor == Predictor::kReverseDiffusion) {
    return {x - step.shrink * x + step.variance * score, std::sqrt(step.variance)};
  }
  // Ancestral: the posterior of the discretised chain (app. F).
  if (config_.form != NetworkForm::kExploding) {
    return {(x + step.variance * score) / std::sqrt(1 - step.variance), std::sqrt(step.variance)};
  }
  const double here = path_.At(t).sigma * path_.At(t).sigma;
  const double below = std::max(here - step.variance, 0.0);
  return {x + step.variance * score, std::sqrt(below * step.variance / here)};
}

}  // namespace mind::diffusion
