#include "server/api/key_api.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/api/credentials.h"

namespace mind::server {

grpc::ServerUnaryReactor* KeyApi::Do(
    grpc::CallbackServerContext* context, const std::string& method,
    const std::function<void(KeyDesk& desk, const Caller&, const Done&)>& work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<Caller> caller =
      authority_.Admit(CredentialsOf(*context), absl::StrCat("mind.v1.KeyService/", method));
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
  } else if (desk_ == nullptr) {
    reactor->Finish(
        ToGrpc(MakeError(absl::StatusCode::kFailedPrecondition,
                         "this server asks nobody for a key; it does with --keys FILE", "KEYS_NOT_ASKED")));
  } else {
    work(*desk_, *caller, [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  }
  return reactor;
}

grpc::ServerUnaryReactor* KeyApi::CreateKey(grpc::CallbackServerContext* context,
                                            const v1::CreateKeyRequest* request,
                                            v1::CreateKeyResponse* response) {
  return Do(context, "CreateKey", [=](KeyDesk& desk, const Caller& caller, const Done& done) {
    desk.Create(request->key(), caller, [response, done](absl::StatusOr<NewKey> made) {
      if (made.ok()) {
        *response->mutable_key() = std::move(made->key);
        response->set_text(made->text);
      }
      done(made.status());
    });
  });
}

grpc::ServerUnaryReactor* KeyApi::ListKeys(grpc::CallbackServerContext* context,
                                           const v1::ListKeysRequest* request,
                                           v1::ListKeysResponse* response) {
  return Do(context, "ListKeys", [=](KeyDesk& desk, const Caller&, const Done& done) {
    for (v1::ApiKey& key : desk.List(request->tenant())) *response->add_keys() = std::move(key);
    done(absl::OkStatus());
  });
}

grpc::ServerUnaryReactor* KeyApi::RotateKey(grpc::CallbackServerContext* context,
                                            const v1::RotateKeyRequest* request,
                                            v1::RotateKeyResponse* response) {
  return Do(context, "RotateKey", [=](KeyDesk& desk, const Caller& caller, const Done& done) {
    desk.Rotate(*request, caller, [response, done](absl::StatusOr<NewKey> made) {
      if (made.ok()) {
        *response->mutable_key() = std::move(made->key);
        response->set_text(made->text);
      }
      done(made.status());
    });
  });
}

grpc::ServerUnaryReactor* KeyApi::RevokeKey(grpc::CallbackServerContext* context,
                                            const v1::RevokeKeyRequest* request,
                                            v1::RevokeKeyResponse* response) {
  return Do(context, "RevokeKey", [=](KeyDesk& desk, const Caller& caller, const Done& done) {
    desk.Revoke(request->id(), caller, [response, done](absl::StatusOr<v1::ApiKey> key) {
      if (key.ok()) *response->mutable_key() = *std::move(key);
      done(key.status());
    });
  });
}

grpc::ServerUnaryReactor* KeyApi::SetTenantLimits(grpc::CallbackServerContext* context,
                                                  const v1::SetTenantLimitsRequest* request,
                                                  v1::SetTenantLimitsResponse* response) {
  return Do(context, "SetTenantLimits", [=](KeyDesk& desk, const Caller& caller, const Done& done) {
    desk.SetLimits(request->tenant(), request->limits(), caller,
                   [request, response, done](const absl::Status& status) {
                     if (status.ok()) *response->mutable_limits() = request->limits();
                     done(status);
                   });
  });
}

grpc::ServerUnaryReactor* KeyApi::ListTenantLimits(grpc::CallbackServerContext* context,
                                                   const v1::ListTenantLimitsRequest*,
                                                   v1::ListTenantLimitsResponse* response) {
  return Do(context, "ListTenantLimits", [=](KeyDesk& desk, const Caller&, const Done& done) {
    for (const auto& [tenant, limits] : desk.Limits()) (*response->mutable_tenants())[tenant] = limits;
    done(absl::OkStatus());
  });
}

}  // namespace mind::server
