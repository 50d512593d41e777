// What a call of gRPC says of who makes it.
#ifndef MIND_SERVER_API_CREDENTIALS_H_
#define MIND_SERVER_API_CREDENTIALS_H_

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>

#include "absl/strings/str_replace.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// The address in what gRPC calls a peer: "ipv4:10.0.0.1:4711", "ipv6:%5B::1%5D:4711".
inline std::string AddressOf(const std::string& peer) {
  const size_t begin = peer.find(':') + 1, end = peer.rfind(':');
  if (begin == 0 || end < begin) return peer;
  return absl::StrReplaceAll(peer.substr(begin, end - begin),
                             {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
}

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
          .tracestate = said("tracestate").value_or(""),
          .peer = AddressOf(context.peer())};
}

}  // namespace mind::server

#endif  // MIND_SERVER_API_CREDENTIALS_H_
