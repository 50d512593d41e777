// The ports of a server process, and the faces behind them.
#ifndef MIND_SERVER_PROCESS_PORTS_H_
#define MIND_SERVER_PROCESS_PORTS_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/api/generation_api.h"
#include "server/api/key_api.h"
#include "server/http/face.h"
#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/process/core.h"
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

  int port() const { return port_; }
  int worker_port() const { return worker_port_; }  // 0: none of their own
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
  absl::Status Listen(const Flags& flags, grpc::Service& workers);

  const Post post_;
  const ServerTls& tls_;
  const bool asks_for_keys_;
  GenerationApi generation_;
  KeyApi keys_;
  ScalerApi scaler_;
  const FaceContext faces_;
  Router router_;
  int port_ = 0;
  int worker_port_ = 0;
  std::unique_ptr<grpc::Server> clients_;
  std::unique_ptr<grpc::Server> workers_;  // null: they have no port of their own
  std::unique_ptr<HttpServer> http_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_PORTS_H_
