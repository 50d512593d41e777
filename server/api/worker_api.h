// The gRPC face for workers: one bidirectional stream each.
#ifndef MIND_SERVER_API_WORKER_API_H_
#define MIND_SERVER_API_WORKER_API_H_

#include <grpcpp/grpcpp.h>

#include "mind/v1/worker.grpc.pb.h"
#include "server/dispatch/loop.h"
#include "server/generation/service.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). `loop` and `service` must outlive the gRPC server it is registered
// with.
class WorkerApi : public v1::WorkerService::CallbackService {
 public:
  WorkerApi(Loop& loop, GenerationService& service) : loop_(loop), service_(service) {}

  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  Loop& loop_;
  GenerationService& service_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_WORKER_API_H_
