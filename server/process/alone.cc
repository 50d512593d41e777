#include "server/process/alone.h"

namespace mind::server {

absl::StatusOr<std::unique_ptr<Alone>> Alone::Create(const ServiceOptions& options,
                                                     std::unique_ptr<JobStore> store,
                                                     const std::string& directory, Authority& authority,
                                                     ServerMetrics& metrics, IdentifyWorker identify) {
  std::unique_ptr<Alone> alone(
      new Alone(options, std::move(store), directory, authority, metrics, std::move(identify)));
  if (absl::Status status = alone->service_.Recover(); !status.ok()) return status;
  return alone;
}

}  // namespace mind::server
