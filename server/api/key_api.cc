#include "server/api/key_api.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

// A key that has been made is put into the response; then the call is done.
template <typename Response, typename Done>
auto GiveNew(Response& response, const Done& done) {
  return [&response, done](absl::StatusOr<NewKey> made) {
    if (made.ok()) {
      *response.mutable_key() = std::move(made->key);
      response.set_text(made->text);
    }
    done(made.status());
  };
}

}  // namespace

template <typename Request, typename Response>
void KeyApi::AtDesk(
    const std::string& method,
    std::function<void(KeyDesk&, const Caller&, const Request&, Response&, const Done&)> work) {
  Unary<Request, Response>(method, [this, work = std::move(work)](const Caller& caller,
                                                                  const Request& request, Response& response,
                                                                  const Done& done) {
    if (desk_ == nullptr) {
      return done(MakeError(absl::StatusCode::kFailedPrecondition,
                            "this server asks nobody for a key; it does with --keys FILE", "KEYS_NOT_ASKED"));
    }
    work(*desk_, caller, request, response, done);
  });
}

KeyApi::KeyApi(KeyDesk* desk, Authority& authority)
    : GatedService(*v1::ApiKey::descriptor()->file()->FindServiceByName("KeyService"), authority),
      desk_(desk) {
  AtDesk<v1::CreateKeyRequest, v1::CreateKeyResponse>(
      "CreateKey", [](KeyDesk& at, const Caller& caller, const auto& request, auto& response,
                      const Done& done) { at.Create(request.key(), caller, GiveNew(response, done)); });
  AtDesk<v1::ListKeysRequest, v1::ListKeysResponse>(
      "ListKeys", [](KeyDesk& at, const Caller&, const auto& request, auto& response, const Done& done) {
        for (v1::ApiKey& key : at.List(request.tenant())) *response.add_keys() = std::move(key);
        done(absl::OkStatus());
      });
  AtDesk<v1::RotateKeyRequest, v1::RotateKeyResponse>(
      "RotateKey", [](KeyDesk& at, const Caller& caller, const auto& request, auto& response,
                      const Done& done) { at.Rotate(request, caller, GiveNew(response, done)); });
  AtDesk<v1::RevokeKeyRequest, v1::RevokeKeyResponse>(
      "RevokeKey",
      [](KeyDesk& at, const Caller& caller, const auto& request, auto& response, const Done& done) {
        at.Revoke(request.id(), caller, [&response, done](absl::StatusOr<v1::ApiKey> key) {
          if (key.ok()) *response.mutable_key() = *std::move(key);
          done(key.status());
        });
      });
  AtDesk<v1::SetTenantLimitsRequest, v1::SetTenantLimitsResponse>(
      "SetTenantLimits",
      [](KeyDesk& at, const Caller& caller, const auto& request, auto& response, const Done& done) {
        at.SetLimits(request.tenant(), request.limits(), caller,
                     [&request, &response, done](const absl::Status& status) {
                       if (status.ok()) *response.mutable_limits() = request.limits();
                       done(status);
                     });
      });
  AtDesk<v1::ListTenantLimitsRequest, v1::ListTenantLimitsResponse>(
      "ListTenantLimits", [](KeyDesk& at, const Caller&, const auto&, auto& response, const Done& done) {
        for (const auto& [tenant, limits] : at.Limits()) (*response.mutable_tenants())[tenant] = limits;
        done(absl::OkStatus());
      });
}

}  // namespace mind::server
