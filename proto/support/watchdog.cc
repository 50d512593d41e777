#include "proto/support/watchdog.h"

#include <unistd.h>

#include <thread>

#include "absl/time/clock.h"
#include "proto/support/logging.h"

namespace mind {

void EndWithin(absl::Duration limit) {
  std::thread([limit] {
    absl::SleepFor(limit);
    LogError("not down in time: ending at once", {{"limit", absl::FormatDuration(limit)}});
    FlushLogs(absl::Milliseconds(200));
    _exit(1);
  }).detach();
}

}  // namespace mind
