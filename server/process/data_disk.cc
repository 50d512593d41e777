#include "server/process/data_disk.h"

#include <sys/statvfs.h>

#include <utility>

#include "proto/support/labelled_metric.h"

namespace mind::server {

DataDisk::DataDisk(std::string directory, prometheus::Registry& registry,
                   std::function<absl::Duration()> steady_clock)
    : directory_(std::move(directory)),
      steady_clock_(std::move(steady_clock)),
      free_(GaugeFamily(registry, "mind_data_free_bytes",
                        "What may still be written on the disk where jobs are kept")
                .Add({})) {
  OnTick();
}

void DataDisk::OnTick() {
  if (steady_clock_() < next_) return;
  next_ = steady_clock_() + absl::Seconds(10);
  struct statvfs disk {};
  // A disk that cannot say so says it when it is written to.
  if (statvfs(directory_.c_str(), &disk) != 0) return;
  free_.Set(static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize));
}

}  // namespace mind::server
