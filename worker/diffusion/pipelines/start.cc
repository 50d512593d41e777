#include "worker/diffusion/pipelines/start.h"

#include <cmath>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Whether x goes straight from noise to picture: what there is of both adds up to 1, as no other form has it
// between the ends.
bool IsFlow(const Sampler& sampler) {
  const NoiseLevel last = sampler.LevelOf(sampler.steps() - 1);
  return last.sigma > 0 && last.sigma < 1 && std::abs(last.alpha + last.sigma - 1) < 1e-6;
}

}  // namespace

at::Tensor Source::KeptLatents(at::IntArrayRef shape) const {
  if (soft_mask) return at::adaptive_avg_pool2d(Kept(), {shape[1], shape[2]});
  return at::upsample_nearest2d(Kept().unsqueeze(0), {shape[1], shape[2]}).squeeze(0);
}

SampleState Beginning(const Start& start, double strength, const Sampler& sampler) {
  if (start.from_noise) {
    SampleState state;
    state.x = start.noise * sampler.initial_scale();
    return state;
  }
  return BeginningAt(StepsLeftOut(strength, sampler), start, sampler);
}

int64_t StepsLeftOut(double strength, const Sampler& sampler) {
  const auto all = static_cast<double>(sampler.steps());
  const double taken = all * strength;
  const int64_t left_out =
      IsFlow(sampler) ? static_cast<int64_t>(all - taken) : sampler.steps() - static_cast<int64_t>(taken);
  if (left_out < sampler.steps()) return left_out;
  throw RequestError("strength " + std::to_string(strength) + " leaves none of " +
                     std::to_string(sampler.steps()) + " steps to take: give more of either");
}

SampleState BeginningAt(int64_t step, const Start& start, const Sampler& sampler) {
  SampleState state;
  state.step = step;
  state.x = NoisedTo(sampler.StartLevelOf(state.step), start.x0, start.noise);
  if (start.kept_clean) KeepKnown(start, sampler, state);
  return state;
}

int64_t StepsBefore(double share, const Sampler& sampler, int64_t train_steps) {
  const double trained = static_cast<double>(train_steps), cutoff = std::round(trained - share * trained);
  int64_t steps = 0;
  while (steps < sampler.steps() && sampler.LevelOf(steps).timestep >= cutoff) ++steps;
  return steps;
}

void KeepKnown(const Start& start, const Sampler& sampler, SampleState& state) {
  if (!start.kept.defined()) return;
  const bool clean = start.kept_clean || state.step == sampler.steps();
  const at::Tensor known = clean ? start.x0 : NoisedTo(sampler.LevelOf(state.step), start.x0, start.noise);
  state.x = start.kept * known + (1 - start.kept) * state.x;
}

}  // namespace mind::diffusion
