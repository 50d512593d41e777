#include "proto/support/grpc_log.h"

#include <grpc/support/log.h>

#include <string>

#include "proto/support/errors.h"
#include "proto/support/logging.h"

namespace mind {

void LogGrpcAsOurs() {
  gpr_set_log_function([](gpr_log_func_args* said) {
    const LogFields fields = {{"text", Printable(said->message, 1000)}};
    if (said->severity == GPR_LOG_SEVERITY_ERROR) return LogWarning("gRPC", fields);
    LogInfo("gRPC", fields);
  });
}

}  // namespace mind
