// Lets everybody in, to everything: for tests of what comes after that.
#ifndef MIND_TESTS_SUPPORT_EVERYBODY_H_
#define MIND_TESTS_SUPPORT_EVERYBODY_H_

#include "server/trust/access.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

class Everybody : public Authority {
 public:
  // Whoever says mind-tenant is that, but where nobody asks.
  absl::StatusOr<Caller> Admit(const Credentials& credentials, std::string_view name,
                               std::optional<Rate>* = nullptr) override {
    Caller caller;
    if (const auto access = AccessTo(name); access && access->open()) return caller;
    if (credentials.tenant) caller.tenant = *credentials.tenant;
    if (absl::Status bad = ValidateTenant(caller.tenant); !bad.ok()) return bad;
    return caller;
  }
  absl::Status StillAdmits(const Credentials&, std::string_view) const override { return absl::OkStatus(); }
};

}  // namespace mind::server

#endif  // MIND_TESTS_SUPPORT_EVERYBODY_H_
