// How much room there is where jobs are kept, for metrics.
#ifndef MIND_SERVER_PROCESS_DATA_DISK_H_
#define MIND_SERVER_PROCESS_DATA_DISK_H_

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "server/dispatch/moment.h"

namespace mind::server {

// Belongs to one thread.
class DataDisk {
 public:
  DataDisk(std::string directory, prometheus::Registry& registry,
           std::function<absl::Duration()> steady_clock = SteadyNow);

  // Looks every ten seconds.
  void OnTick();

 private:
  const std::string directory_;
  const std::function<absl::Duration()> steady_clock_;
  prometheus::Gauge& free_;
  absl::Duration next_ = -absl::InfiniteDuration();
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_DATA_DISK_H_
