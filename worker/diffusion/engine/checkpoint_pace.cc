#include "worker/diffusion/engine/checkpoint_pace.h"

#include <algorithm>
#include <cmath>

namespace mind::diffusion {
namespace {

// Machines that may be taken away, kernels that hang, programs that are ended for their memory: not often on
// one worker, and pessimism costs little (the interval goes with its root).
constexpr double kSecondsBetweenDeaths = 3600;
// Of the way to the server, links that are neither the best nor idle.
constexpr double kBytesPerSecond = 100e6;
constexpr double kMostOfWork = 1.0 / 20;

}  // namespace

double CheckpointPace::Cost(double seconds, size_t bytes) {
  return seconds + static_cast<double>(bytes) / kBytesPerSecond;
}

double CheckpointPace::Interval(double cost) const {
  if (most_lost_ == 0) return 0;
  return std::max(std::min(std::sqrt(2 * cost * kSecondsBetweenDeaths), most_lost_), cost / kMostOfWork);
}

}  // namespace mind::diffusion
