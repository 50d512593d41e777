// Who calls, from a call's metadata.
#ifndef MIND_SERVER_API_CALLER_H_
#define MIND_SERVER_API_CALLER_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/statusor.h"
#include "server/generation/validate.h"

namespace mind::server {

inline absl::StatusOr<Caller> CallerOf(const grpc::CallbackServerContext& context) {
  Caller caller;
  const auto tenant = context.client_metadata().find("mind-tenant");
  if (tenant != context.client_metadata().end())
    caller.tenant.assign(tenant->second.data(), tenant->second.size());
  if (absl::Status status = ValidateTenant(caller.tenant); !status.ok()) return status;
  return caller;
}

}  // namespace mind::server

#endif  // MIND_SERVER_API_CALLER_H_
