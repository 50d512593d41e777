// The present, as told by two clocks.
#ifndef MIND_SERVER_DISPATCH_MOMENT_H_
#define MIND_SERVER_DISPATCH_MOMENT_H_

#include <chrono>

#include "absl/time/time.h"

namespace mind::server {

struct Moment {
  // For what people read, and for deadlines, which people gave. May jump in either direction.
  absl::Time wall;
  // Since a start nobody knows. Never jumps: for leases, limits and ticks.
  absl::Duration steady;
};

// The machine's steady clock.
inline absl::Duration SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_MOMENT_H_
