#include "worker/link/step_rate.h"

#include <algorithm>
#include <cmath>

namespace mind {
namespace {

constexpr double kFadeSeconds = 5;
constexpr double kNone = 1e-3;  // of a batch: that long ago that nothing is to be said of it

}  // namespace

void StepRate::Note(size_t trajectories, size_t rows, Time now) {
  const double left = Faded(now);
  batches_ = left * batches_ + 1;
  steps_ = left * steps_ + static_cast<double>(trajectories);
  rows_ = left * rows_ + static_cast<double>(rows);
  noted_ = now;
}

StepRate::Rate StepRate::At(Time now) const {
  const double left = Faded(now);
  if (left * batches_ < kNone) return {};
  return {.steps_per_second = left * steps_ / kFadeSeconds, .batch_rows = rows_ / batches_};
}

double StepRate::Faded(Time now) const {
  return std::exp(-std::max(std::chrono::duration<double>(now - noted_).count(), 0.0) / kFadeSeconds);
}

}  // namespace mind
