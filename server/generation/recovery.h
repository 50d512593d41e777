// Taking up the jobs of an earlier run.
#ifndef MIND_SERVER_GENERATION_RECOVERY_H_
#define MIND_SERVER_GENERATION_RECOVERY_H_

#include "absl/status/status.h"
#include "server/generation/decisions.h"
#include "server/generation/service_state.h"

namespace mind::server {

// Waits for the disk: before anything else is asked of the service.
absl::Status TakeUpEarlierRun(ServiceState& state, Decisions& decisions);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RECOVERY_H_
