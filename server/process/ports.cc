#include "server/process/ports.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/resource_quota.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/message_size.h"
#include "proto/support/open_files.h"
#include "server/http/kserve.h"
#include "server/http/native.h"
#include "server/http/openai.h"
#include "server/http/openapi.h"
#include "server/http/page.h"
#include "server/http/sdapi.h"

namespace mind::server {
namespace {

// What all messages of a port that are being read may take; beyond, gRPC reads slower, and ends calls.
constexpr size_t kMostInMessages = size_t{512} << 20;
// Open at a time; gRPC's clients wait with further ones. A call takes memory as long as its caller likes, be
// it one that never says what it wants, and gRPC bounds their number only so.
constexpr int kCallsOfAConnection = 1000;

}  // namespace

Ports::Ports(const Flags& flags, const Post& post, const ServerTls& tls, Core& core, Trust& trust,
             ServerMetrics& metrics)
    : post_(post),
      tls_(tls),
      asks_for_keys_(trust.gatekeeper().asks_for_keys()),
      generation_(post, core.generation(), metrics, trust.gatekeeper()),
      keys_(trust.desk(), trust.gatekeeper()),
      scaler_(post, core.generation(), metrics, trust.gatekeeper()),
      faces_{.post = post,
             .generation = core.generation(),
             .authority = trust.gatekeeper(),
             .url = std::string(absl::StripSuffix(flags.http_url, "/"))},
      router_(trust.gatekeeper()),
      turned_away_(Door::TurnedAway(*metrics.registry)) {
  AddOpenAiFace(faces_, router_);
  AddNativeFace(faces_, router_);
  AddSdapiFace(faces_, router_);
  AddKserveFace(faces_, router_);
  AddPage(router_);
  AddOpenApi(router_);
}

absl::StatusOr<std::unique_ptr<Ports>> Ports::Open(const Flags& flags, const Post& post, const ServerTls& tls,
                                                   Core& core, Trust& trust, ServerMetrics& metrics) {
  std::unique_ptr<Ports> ports(new Ports(flags, post, tls, core, trust, metrics));
  if (absl::Status status = ports->Listen(flags, core.workers()); !status.ok()) return status;
  return ports;
}

absl::Status Ports::ListenFor(const std::vector<grpc::Service*>& services, const std::string& address,
                              const std::shared_ptr<grpc::ServerCredentials>& credentials, GrpcPort& port) {
  auto door = Door::Open({.address = address, .files = AllowFiles()}, turned_away_);
  if (!door.ok()) return door.status();
  grpc::ServerBuilder builder;
  for (grpc::Service* const service : services) builder.RegisterService(service);
  if (asks_for_keys_) builder.RegisterService(&closed_reflection_);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  RefusePacked(builder);
  builder.SetResourceQuota(grpc::ResourceQuota(address).Resize(kMostInMessages));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kCallsOfAConnection);
  // Long streams are kept alive from both ends; the defaults would answer the workers' pings with GOAWAY.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  port.server = (*door)->Build(builder, credentials);
  if (port.server == nullptr) return absl::UnavailableError(absl::StrCat("cannot serve at ", address));
  port.door = *std::move(door);
  return absl::OkStatus();
}

void Ports::GrpcPort::Shutdown(std::chrono::system_clock::time_point end) {
  if (server == nullptr) return;
  door->Close();
  server->Shutdown(end);
}

absl::Status Ports::Listen(const Flags& flags, grpc::Service& workers) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::vector<grpc::Service*> at_listen = {&generation_, &keys_, &scaler_};
  if (flags.listen_workers.empty()) {
    at_listen.push_back(&workers);
  } else {
    const absl::Status status = ListenFor({&workers}, flags.listen_workers, tls_.ForWorkers(), workers_);
    if (!status.ok()) return status;
  }
  if (absl::Status status = ListenFor(at_listen, flags.listen, tls_.ForClients(), clients_); !status.ok()) {
    return status;
  }
  grpc::Server& for_workers = workers_.server == nullptr ? *clients_.server : *workers_.server;
  for_workers.GetHealthCheckService()->SetServingStatus("mind.v1.WorkerService", true);
  return absl::OkStatus();
}

absl::Status Ports::OpenHttp(const Flags& flags) {
  if (flags.http.empty()) return absl::OkStatus();
  auto started =
      HttpServer::Start({.address = flags.http,
                         .cors_origins = absl::StrSplit(flags.http_origins, ',', absl::SkipEmpty()),
                         .tls = tls_.ForHttp(),
                         .run_sent = faces_.post},
                        router_);
  if (!started.ok()) return started.status();
  http_ = *std::move(started);
  return absl::OkStatus();
}

void Ports::TellServing(bool serving) {
  for (const char* const name : {"", "mind.v1.GenerationService"}) {
    clients_.server->GetHealthCheckService()->SetServingStatus(name, serving);
  }
}

void Ports::StopAccepting() {
  clients_.server->GetHealthCheckService()->Shutdown();
  if (workers_.server != nullptr) workers_.server->GetHealthCheckService()->Shutdown();
  if (http_ != nullptr) http_->StopAccepting();
  post_([this] { scaler_.Close(); });
}

void Ports::Close(absl::Duration limit) {
  const auto end = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(limit);
  clients_.Shutdown(end);
  workers_.Shutdown(end);
  clients_.server->Wait();
  if (workers_.server != nullptr) workers_.server->Wait();
  http_.reset();
}

}  // namespace mind::server
