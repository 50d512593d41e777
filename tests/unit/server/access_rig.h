// Keys of every kind, and what each must be told by what needs a scope.
#ifndef MIND_TESTS_UNIT_SERVER_ACCESS_RIG_H_
#define MIND_TESTS_UNIT_SERVER_ACCESS_RIG_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "proto/support/time.h"
#include "server/dispatch/moment.h"
#include "server/trust/access.h"
#include "tests/unit/http/face_rig.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {

// What a caller sends, and what it must be told.
struct AccessCase {
  std::string what;
  Credentials credentials;
  absl::StatusCode code;  // kOk: let in, whatever the handler then says
  std::string reason;
};

class AccessRig : public testing::Test {
 protected:
  AccessRig() {
    v1::ApiKey like = KeyLike("acme", AllScopes());
    all_ = AddKey(table_, like);
    *like.mutable_expire_time() = ToTimestamp(absl::Now() - absl::Seconds(1));
    expired_ = AddKey(table_, like);
    like.clear_expire_time();
    *like.mutable_revoke_time() = ToTimestamp(absl::Now());
    revoked_ = AddKey(table_, like);
    for (const v1::Scope scope : AllScopes()) {
      with_[scope] = AddKey(table_, KeyLike("acme", {scope}));
      std::vector<v1::Scope> others = AllScopes();
      others.erase(std::find(others.begin(), others.end(), scope));
      without_[scope] = AddKey(table_, KeyLike("acme", others));
    }
    book_.SetFile(table_);
  }

  // Of what needs this scope.
  std::vector<AccessCase> Cases(v1::Scope scope) const {
    std::string mistyped = with_.at(scope);
    mistyped.back() = mistyped.back() == 'x' ? 'y' : 'x';
    const auto bearer = [](const std::string& key) { return Credentials{.authorization = "Bearer " + key}; };
    Credentials of_another = bearer(with_.at(scope));
    of_another.tenant = "other";
    constexpr auto kUnknown = absl::StatusCode::kUnauthenticated;
    constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
    return {
        {"no key", {}, kUnknown, "API_KEY_MISSING"},
        {"a mistyped key", bearer(mistyped), kUnknown, "API_KEY_INVALID"},
        {"nobody's key", bearer(ToText(NewKeyText())), kUnknown, "API_KEY_INVALID"},
        {"a forged key", bearer(ToText({ParseKeyText(all_)->id, NewKeyText().secret})), kUnknown,
         "API_KEY_INVALID"},
        {"an expired key", bearer(expired_), kUnknown, "API_KEY_EXPIRED"},
        {"a revoked key", bearer(revoked_), kUnknown, "API_KEY_REVOKED"},
        {"all other scopes", bearer(without_.at(scope)), kDenied, "SCOPE_MISSING"},
        {"another tenant", of_another, scope == v1::SCOPE_PROXY ? absl::StatusCode::kOk : kDenied,
         "TENANT_NOT_ALLOWED"},
        {"this scope", bearer(with_.at(scope)), absl::StatusCode::kOk, ""},
    };
  }

  KeyTable table_;
  std::string all_, expired_, revoked_;
  std::map<v1::Scope, std::string> with_, without_;
  KeyBook book_;
  Gatekeeper gatekeeper_{{.keys = &book_, .clock = [] { return absl::Now(); }, .steady_clock = SteadyNow}};
  FakeGeneration generation_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_ACCESS_RIG_H_
