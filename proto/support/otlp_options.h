// How spans are exported, by the environment's names of OpenTelemetry's specification.
#ifndef MIND_PROTO_SUPPORT_OTLP_OPTIONS_H_
#define MIND_PROTO_SUPPORT_OTLP_OPTIONS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/support/channel_tls.h"

namespace mind {

struct OtlpOptions {
  std::string endpoint;  // HOST:PORT
  ChannelTls tls;
  std::map<std::string, std::string> headers;  // of every call, as gRPC takes them
  bool gzip = false;
  absl::Duration timeout = absl::Seconds(10);
  std::map<std::string, std::string> resource;  // what this process is: service.name …

  bool parent_decides = true;  // where there is one
  double ratio = 1;            // of traces that begin here, that are recorded

  absl::Duration delay = absl::Seconds(5);  // before what there is goes, if it is not a batch
  size_t max_queue = 2048;                  // spans; beyond it they are dropped
  size_t max_batch = 512;
};

// By the variables that `get` gives ("" if not set). Nothing: no endpoint is named nor OTLP asked for
// (OTEL_TRACES_EXPORTER), or none of it is wanted (OTEL_SDK_DISABLED). `service`: the name where they say
// none. INVALID_ARGUMENT names a variable that is wrong, and what is allowed.
absl::StatusOr<std::optional<OtlpOptions>> OtlpOptionsFrom(
    const std::function<std::string(const std::string&)>& get, const std::string& service);

// By this process's environment.
absl::StatusOr<std::optional<OtlpOptions>> OtlpOptionsFromEnvironment(const std::string& service);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_OTLP_OPTIONS_H_
