// What a server makes of what workers say, without pictures.
#ifndef MIND_TESTS_BENCH_SERVER_MESSAGES_H_
#define MIND_TESTS_BENCH_SERVER_MESSAGES_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/server_process.h"

namespace mind::bench {

struct Cost {
  double messages_a_second = 0;
  double cpu_seconds = 0;  // of the server, a message
};

// As many as a null model may be asked for: so far can progress go.
inline constexpr uint32_t kMostSteps = 1000;

// All workers tell the progress of the pictures they hold, a step further each time.
// REQUIRES: each holds some, of kMostSteps
Cost CostOfProgress(const std::vector<NullWorker*>& workers, const ServerProcess& server,
                    absl::Duration limit);
// All workers tell what room they have and how fast they are, as they do again and again.
Cost CostOfCapacity(const std::vector<NullWorker*>& workers, const ServerProcess& server,
                    absl::Duration limit);

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_MESSAGES_H_
