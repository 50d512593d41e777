// The ports of a server process, and the faces behind them.
#ifndef MIND_SERVER_PROCESS_PORTS_H_
#define MIND_SERVER_PROCESS_PORTS_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/api/closed_reflection.h"
#include "server/api/generation_api.h"
#include "server/api/key_api.h"
#include "server/http/face.h"
#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/process/core.h"
#include "server/process/door.h"
#include "server/process/flags.h"
#include "server/process/server_tls.h"
#include "server/process/trust.h"
#include "server/scale/scaler_api.h"

namespace mind::server {

class Ports {
 public:
  // Listens for gRPC. `tls`, `core`, `trust` and `metrics` must outlive it.
  static absl::StatusOr<std::unique_ptr<Ports>> Open(const Flags& flags, const Post& post,
                                                     const ServerTls& tls, Core& core, Trust& trust,
                                                     ServerMetrics& metrics);
  // Listens for HTTP, if the flags say so. The loop runs.
  absl::Status OpenHttp(const Flags& flags);

  int port() const { return clients_.door->port(); }
  int worker_port() const { return workers_.door == nullptr ? 0 : workers_.door->port(); }  // 0: none
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }

  // On the loop.
  void OnTick() { scaler_.OnTick(); }
  // For health checks. From any thread.
  void TellServing(bool serving);
  // No new calls; health checks say so.
  void StopAccepting();
  // Ends what has not ended within that time.
  void Close(absl::Duration limit);

 private:
  Ports(const Flags& flags, const Post& post, const ServerTls& tls, Core& core, Trust& trust,
        ServerMetrics& metrics);
  // One for gRPC. Without a server: there is none.
  struct GrpcPort {
    std::unique_ptr<grpc::Server> server;
    std::unique_ptr<Door> door;

    void Shutdown(std::chrono::system_clock::time_point end);
  };

  absl::Status Listen(const Flags& flags, grpc::Service& workers);
  absl::Status ListenFor(const std::vector<grpc::Service*>& services, const std::string& address,
                         const std::shared_ptr<grpc::ServerCredentials>& credentials, GrpcPort& port);

  const Post post_;
  const ServerTls& tls_;
  const bool asks_for_keys_;
  GenerationApi generation_;
  KeyApi keys_;
  ScalerApi scaler_;
  ClosedReflection closed_reflection_;  // gRPC's cannot be kept to those who have a key
  const FaceContext faces_;
  Router router_;
  prometheus::Counter& turned_away_;
  GrpcPort clients_, workers_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_PORTS_H_
