// Which worker a stream is of, as far as something else than the worker says it.
#ifndef MIND_SERVER_API_WORKER_IDENTITY_H_
#define MIND_SERVER_API_WORKER_IDENTITY_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace mind::server {

// Metadata of streams that a front passes on to the leader: the worker's name, as the front has found it
// proved. On cluster ports only.
inline constexpr char kWorkerNameKey[] = "mind-worker-name";

// The name that the worker must register by; nothing, where it is not proved and any will do. An error ends
// the stream.
using IdentifyWorker =
    std::function<absl::StatusOr<std::optional<std::string>>(const grpc::CallbackServerContext& context)>;

// On a cluster port: as the front says.
inline absl::StatusOr<std::optional<std::string>> WorkerNamedByFront(
    const grpc::CallbackServerContext& context) {
  const auto name = context.client_metadata().find(kWorkerNameKey);
  if (name == context.client_metadata().end()) return std::nullopt;
  return std::string(name->second.data(), name->second.size());
}

}  // namespace mind::server

#endif  // MIND_SERVER_API_WORKER_IDENTITY_H_
