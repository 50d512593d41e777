// What can be seen of an installation from outside: asked of a server, and read from metrics.
#ifndef MIND_CLIENT_CLI_EVIDENCE_H_
#define MIND_CLIENT_CLI_EVIDENCE_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/commands.h"
#include "client/cli/metrics_page.h"
#include "client/cpp/client.h"
#include "proto/support/certificate.h"

namespace mind::cli {

struct Evidence {
  std::string server;
  bool encrypted = false;
  absl::Time now;
  absl::Status reached;  // the rest up to `pages` is there if this is OK
  bool serving = false;
  std::optional<Certificate> certificate;  // that the server has shown
  bool asks_for_keys = true;
  // By the name of a scope: what the server said of a call that needs it.
  std::map<std::string, absl::Status> scopes;
  absl::StatusOr<std::vector<v1::Model>> models = std::vector<v1::Model>();
  absl::StatusOr<std::vector<v1::Worker>> workers = std::vector<v1::Worker>();
  // By address, in the order given.
  std::vector<std::pair<std::string, absl::StatusOr<MetricsPage>>> pages;
};

struct DoctorOptions {
  std::vector<std::string> metrics;  // HOST:PORT, of servers
  bool encrypted = false;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
};

// Takes some seconds where something does not answer.
Evidence Gather(client::Client& client, const Common& common, const DoctorOptions& options);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_EVIDENCE_H_
