// The core that the command line asks for.
#ifndef MIND_SERVER_PROCESS_CORES_H_
#define MIND_SERVER_PROCESS_CORES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/process/core.h"
#include "server/process/flags.h"

namespace mind::server {

// A front where --store names a database, else a server that is alone with files in --data. Waits for the
// store. `post`: to the loop, which need not run yet. `metrics` must outlive it.
absl::StatusOr<std::unique_ptr<Core>> MakeCore(const Flags& flags, const Post& post, ServerMetrics& metrics);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_CORES_H_
