#include "server/process/cluster_address.h"

#include <arpa/inet.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mind::server {

bool IsLoopback(const std::string& host) {
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// An address to listen on at all addresses.
bool IsAny(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6);
}

absl::StatusOr<HostPort> SplitHostPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostPort split;
  const bool well = colon != std::string::npos && colon > 0 &&
                    absl::SimpleAtoi(address.substr(colon + 1), &split.port) && split.port >= 0 &&
                    split.port <= 65535;
  if (!well) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address, "\" is not HOST:PORT, the port 0 to 65535"));
  }
  split.host = address.substr(0, colon);
  if (split.host.front() == '[' && split.host.back() == ']') {
    split.host = split.host.substr(1, split.host.size() - 2);
  }
  return split;
}

absl::Status CheckClusterAddress(const std::string& address, bool encrypted) {
  const absl::StatusOr<HostPort> split = SplitHostPort(address);
  if (!split.ok()) return split.status();
  if (IsAny(split->host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", split->host, "\" is no address that other servers can dial: name one of this machine"));
  }
  if (encrypted || IsLoopback(split->host)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", split->host,
      "\" is not a loopback address (127.0.0.0/8, ::1, localhost): what servers say to each other "
      "is not encrypted without --cluster-ca, and must not leave the machine"));
}

}  // namespace mind::server
