// The core of a server that is alone with its store.
#ifndef MIND_SERVER_PROCESS_ALONE_H_
#define MIND_SERVER_PROCESS_ALONE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/api/worker_api.h"
#include "server/generation/service.h"
#include "server/process/core.h"
#include "server/process/data_disk.h"
#include "server/store/job_store.h"

namespace mind::server {

class Alone : public Core {
 public:
  // Takes up the jobs of an earlier run. `authority`, who may be a worker, and `metrics` must outlive it.
  // `directory`: where `store` has its files.
  static absl::StatusOr<std::unique_ptr<Alone>> Create(const ServiceOptions& options,
                                                       std::unique_ptr<JobStore> store,
                                                       const std::string& directory, Authority& authority,
                                                       ServerMetrics& metrics, IdentifyWorker identify);

  Generation& generation() override { return service_; }
  grpc::Service& workers() override { return workers_; }
  void OnTick() override {
    service_.OnTick();
    disk_.OnTick();
  }
  void OnServingChange(std::function<void(bool)> tell) override { service_.OnServingChange(std::move(tell)); }
  // Running jobs may finish; waiting ones are left for the next run.
  void WindDown() override { service_.StopAdmitting(); }
  bool busy() const override { return service_.running_jobs() > 0 || !service_.settled(); }
  void CloseCalls() override { service_.CloseWatches(); }
  void Join() override { store_->GiveUp(); }

 private:
  Alone(const ServiceOptions& options, std::unique_ptr<JobStore> store, const std::string& directory,
        Authority& authority, ServerMetrics& metrics, IdentifyWorker identify)
      : store_(std::move(store)),
        disk_(directory, *metrics.registry),
        service_(options, *store_, metrics),
        workers_(options.post, service_.workers(), metrics, authority, std::move(identify)) {}

  const std::unique_ptr<JobStore> store_;
  DataDisk disk_;
  GenerationService service_;
  WorkerApi workers_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_ALONE_H_
