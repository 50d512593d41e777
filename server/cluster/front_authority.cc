#include "server/cluster/front_authority.h"

#include "mind/internal/v1/cluster.pb.h"
#include "proto/support/errors.h"

namespace mind::server {

void AddCaller(grpc::ClientContext& context, const Caller& caller) {
  internal::v1::Caller said;
  said.set_tenant(caller.tenant);
  said.set_key_id(caller.key_id);
  said.mutable_models()->Add(caller.models.begin(), caller.models.end());
  said.set_highest_priority(caller.highest_priority);
  said.set_traceparent(caller.traceparent);
  said.set_tracestate(caller.tracestate);
  context.AddMetadata("mind-caller-bin", said.SerializeAsString());
  context.AddMetadata("mind-tenant", caller.tenant);  // what fronts of the version before read
}

absl::StatusOr<Caller> FrontAuthority::Admit(const Credentials& credentials, std::string_view,
                                             std::optional<Rate>*) {
  internal::v1::Caller said;
  if (!said.ParseFromString(credentials.forwarded)) {
    return InvalidField("mind-caller-bin", "it is no Caller of one front to another");
  }
  Caller caller;
  if (credentials.tenant) caller.tenant = *credentials.tenant;
  if (!said.tenant().empty()) caller.tenant = said.tenant();
  if (absl::Status bad = ValidateTenant(caller.tenant); !bad.ok()) return bad;
  caller.key_id = said.key_id();
  caller.models.assign(said.models().begin(), said.models().end());
  caller.traceparent = said.traceparent();
  caller.tracestate = said.tracestate();
  if (said.highest_priority() != v1::PRIORITY_UNSPECIFIED) caller.highest_priority = said.highest_priority();
  return caller;
}

}  // namespace mind::server
