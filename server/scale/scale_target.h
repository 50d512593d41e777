// What is asked for whom: a trigger of KEDA's, and how much work there is for it.
#ifndef MIND_SERVER_SCALE_SCALE_TARGET_H_
#define MIND_SERVER_SCALE_SCALE_TARGET_H_

#include <string>

#include "absl/status/statusor.h"
#include "externalscaler/externalscaler.pb.h"
#include "mind/internal/v1/cluster.pb.h"

namespace mind::server {

struct ScaleTarget {
  std::string model;
  double seconds = 30;  // of one worker, for each replica
};

// INVALID_ARGUMENT: an entry of its metadata is missing or wrong.
absl::StatusOr<ScaleTarget> ParseScaleTarget(const externalscaler::ScaledObjectRef& object);
// The key that is called with; empty: none is given.
std::string KeyOf(const externalscaler::ScaledObjectRef& object);

// What there is to do for it.
struct Demand {
  double seconds = 0;   // of one worker
  bool active = false;  // something waits or runs
};
Demand DemandOf(const std::string& model, const internal::v1::ListWorkResponse& work);

}  // namespace mind::server

#endif  // MIND_SERVER_SCALE_SCALE_TARGET_H_
