// Where a front may be reached by the others.
#ifndef MIND_SERVER_PROCESS_CLUSTER_ADDRESS_H_
#define MIND_SERVER_PROCESS_CLUSTER_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mind::server {

// HOST:PORT, split. IPv6 hosts stand in brackets, and come without them.
struct HostPort {
  std::string host;
  int port = 0;
};
absl::StatusOr<HostPort> SplitHostPort(const std::string& address);

// Whether only this machine reaches it: 127.0.0.0/8, ::1 or localhost.
bool IsLoopback(const std::string& host);

// OK for a loopback address; for another that can be dialled only where what fronts say to each other is
// encrypted.
absl::Status CheckClusterAddress(const std::string& address, bool encrypted);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_CLUSTER_ADDRESS_H_
