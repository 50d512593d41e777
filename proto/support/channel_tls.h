// How programs of ours that dial a server encrypt what they say, and know whom they say it to.
#ifndef MIND_PROTO_SUPPORT_CHANNEL_TLS_H_
#define MIND_PROTO_SUPPORT_CHANNEL_TLS_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/support/command_line.h"

namespace mind {

struct ChannelTls {
  bool on = false;
  std::string authorities;                 // a file in PEM; empty: those that the system knows
  std::string certificate_file, key_file;  // that this end shows; empty: none
  std::string name;  // that the server's certificate is to be for; empty: the host that is dialled
};

// --tls and what goes with it, each with its environment twin.
void AddChannelTlsFlags(CLI::App& app, ChannelTls& tls);

// Plain, if it is not on. Files are read again when they change, a second later at most. INVALID_ARGUMENT
// names the flag that is wrong. A server whose certificate is refused is UNAVAILABLE, and the message says
// why.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ChannelTls& tls);

// For servers that call each other, by addresses that no certificate names: the other end is to show that it
// is a server of ours (IsServers).
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeServersCredentials(
    const std::string& authorities, const std::string& certificate_file, const std::string& key_file);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_CHANNEL_TLS_H_
