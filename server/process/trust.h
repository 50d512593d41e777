// Who may call this process: keys, where they are kept, and what has to be open without them.
#ifndef MIND_SERVER_PROCESS_TRUST_H_
#define MIND_SERVER_PROCESS_TRUST_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/generation/metrics.h"
#include "server/process/flags.h"
#include "server/trust/audit.h"
#include "server/trust/gatekeeper.h"
#include "server/trust/key_desk.h"
#include "server/trust/key_keeper.h"
#include "server/trust/key_store.h"

namespace mind::server {

class Trust {
 public:
  // Reads the file of keys. INVALID_ARGUMENT: without keys an address would be served that others reach.
  // `metrics` must outlive it.
  static absl::StatusOr<std::unique_ptr<Trust>> Open(const Flags& flags, ServerMetrics& metrics);
  // The job store has been opened: its keys hold as well.
  void Begin();

  Gatekeeper& gatekeeper() { return *gatekeeper_; }
  // Null: keys are not asked for.
  KeyDesk* desk() { return desk_.get(); }
  // Null: nobody keeps one.
  Audit* audit() { return audit_.get(); }
  // From any thread.
  v1::TenantLimits LimitsOf(const std::string& tenant) const {
    return keeper_ == nullptr ? v1::TenantLimits() : keeper_->book().LimitsOf(tenant);
  }
  // Of tenants who have their ended jobs kept for a time of their own; nothing while that is not known. From
  // any thread.
  std::optional<std::map<std::string, absl::Duration>> Keeps() const {
    if (keeper_ == nullptr) return std::map<std::string, absl::Duration>();
    return keeper_->book().Keeps();
  }

 private:
  Trust() = default;

  std::unique_ptr<Audit> audit_;
  // All but the last are null where keys are not asked for.
  std::unique_ptr<KeyStore> store_;
  std::unique_ptr<KeyKeeper> keeper_;
  std::unique_ptr<KeyDesk> desk_;
  std::unique_ptr<Gatekeeper> gatekeeper_;
};

// OK where whoever reaches these addresses may do everything: they are loopback, or it is said to be meant.
absl::Status CheckOpen(const Flags& flags);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_TRUST_H_
