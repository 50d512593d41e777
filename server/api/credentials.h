// What a call of gRPC says of who makes it.
#ifndef MIND_SERVER_API_CREDENTIALS_H_
#define MIND_SERVER_API_CREDENTIALS_H_

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>

#include "server/trust/gatekeeper.h"

namespace mind::server {

inline Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  const auto said = [&context](const char* name) -> std::optional<std::string> {
    const auto found = context.client_metadata().find(name);
    if (found == context.client_metadata().end()) return std::nullopt;
    return std::string(found->second.data(), found->second.size());
  };
  return {.authorization = said("authorization").value_or(""),
          .tenant = said("mind-tenant"),
          .forwarded = said("mind-caller-bin").value_or(""),
          .traceparent = said("traceparent").value_or(""),
          .tracestate = said("tracestate").value_or("")};
}

}  // namespace mind::server

#endif  // MIND_SERVER_API_CREDENTIALS_H_
