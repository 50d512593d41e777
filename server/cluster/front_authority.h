// On whose behalf one front asks another: the front has looked at the caller's key.
#ifndef MIND_SERVER_CLUSTER_FRONT_AUTHORITY_H_
#define MIND_SERVER_CLUSTER_FRONT_AUTHORITY_H_

#include <grpcpp/grpcpp.h>

#include "server/trust/gatekeeper.h"

namespace mind::server {

// Metadata of a call to another front.
void AddCaller(grpc::ClientContext& context, const Caller& caller);

// Who may call on a cluster port: whoever reaches it, a front, and everything. Thread-safe.
class FrontAuthority : public Authority {
 public:
  absl::StatusOr<Caller> Admit(const Credentials& credentials, std::string_view name,
                               std::optional<Rate>* requests = nullptr) override;
  absl::Status StillAdmits(const Credentials&, std::string_view) const override { return absl::OkStatus(); }
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_FRONT_AUTHORITY_H_
