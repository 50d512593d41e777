// The gRPC face for workers: one bidirectional stream each.
#ifndef MIND_SERVER_API_WORKER_API_H_
#define MIND_SERVER_API_WORKER_API_H_

#include <grpcpp/grpcpp.h>

#include <utility>

#include "mind/v1/worker.grpc.pb.h"
#include "server/api/worker_identity.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/generation/reception.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class WorkerApi : public v1::WorkerService::CallbackService {
 public:
  // `post`: to the loop that `desk` lives on. `authority`: who may be a worker, where no certificate says so.
  // `identify`: null: workers are who they say.
  WorkerApi(Post post, Reception& desk, ServerMetrics& metrics, Authority& authority,
            IdentifyWorker identify = nullptr)
      : post_(std::move(post)),
        desk_(desk),
        metrics_(metrics),
        authority_(authority),
        identify_(std::move(identify)) {}

  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  const Post post_;
  Reception& desk_;
  ServerMetrics& metrics_;
  Authority& authority_;
  const IdentifyWorker identify_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_WORKER_API_H_
