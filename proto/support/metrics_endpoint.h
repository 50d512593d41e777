// Serves /metrics in Prometheus' text format.
//
// Not prometheus-cpp's own Exposer: its web server starts threads with stacks of 100 KiB, and in a process
// that has loaded LibTorch the thread-local storage alone is larger, so that no thread starts
// (docs/adr/0006-metrics-endpoint.md).
#ifndef MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_
#define MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_

#include <prometheus/collectable.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace mind {

// Runs one thread of its own.
class MetricsEndpoint {
 public:
  // `address` is HOST:PORT, with a name or an address for HOST; port 0 picks a free one. GET /metrics answers
  // with what the source (a Registry) has, or 500 if it throws; anything else gets 404. A few connections at
  // once; a slow one is closed.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Create(
      const std::string& address, std::shared_ptr<prometheus::Collectable> source);
  ~MetricsEndpoint();

  int port() const;

 private:
  class Server;
  explicit MetricsEndpoint(std::unique_ptr<Server> server);

  std::unique_ptr<Server> server_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_
