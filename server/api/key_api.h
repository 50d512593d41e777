// The gRPC face for keys.
#ifndef MIND_SERVER_API_KEY_API_H_
#define MIND_SERVER_API_KEY_API_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "mind/v1/keys.grpc.pb.h"
#include "server/trust/gatekeeper.h"
#include "server/trust/key_desk.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class KeyApi : public v1::KeyService::CallbackService {
 public:
  // `desk`: null where keys are not asked for.
  KeyApi(KeyDesk* desk, Authority& authority) : desk_(desk), authority_(authority) {}

  grpc::ServerUnaryReactor* CreateKey(grpc::CallbackServerContext* context,
                                      const v1::CreateKeyRequest* request,
                                      v1::CreateKeyResponse* response) override;
  grpc::ServerUnaryReactor* ListKeys(grpc::CallbackServerContext* context, const v1::ListKeysRequest* request,
                                     v1::ListKeysResponse* response) override;
  grpc::ServerUnaryReactor* RotateKey(grpc::CallbackServerContext* context,
                                      const v1::RotateKeyRequest* request,
                                      v1::RotateKeyResponse* response) override;
  grpc::ServerUnaryReactor* RevokeKey(grpc::CallbackServerContext* context,
                                      const v1::RevokeKeyRequest* request,
                                      v1::RevokeKeyResponse* response) override;
  grpc::ServerUnaryReactor* SetTenantLimits(grpc::CallbackServerContext* context,
                                            const v1::SetTenantLimitsRequest* request,
                                            v1::SetTenantLimitsResponse* response) override;
  grpc::ServerUnaryReactor* ListTenantLimits(grpc::CallbackServerContext* context,
                                             const v1::ListTenantLimitsRequest* request,
                                             v1::ListTenantLimitsResponse* response) override;

 private:
  // `work` fills in the response and tells how it went, now or later.
  using Done = std::function<void(const absl::Status&)>;
  grpc::ServerUnaryReactor* Do(grpc::CallbackServerContext* context, const std::string& method,
                               const std::function<void(KeyDesk& desk, const Caller&, const Done&)>& work);

  KeyDesk* const desk_;
  Authority& authority_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_KEY_API_H_
