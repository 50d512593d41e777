// Who may call what: looks at a caller's key and at the table of access (access.h).
#ifndef MIND_SERVER_TRUST_GATEKEEPER_H_
#define MIND_SERVER_TRUST_GATEKEEPER_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/trust/caller.h"
#include "server/trust/key_book.h"
#include "server/trust/rate.h"

namespace mind::server {

// What a call says of who makes it.
struct Credentials {
  std::string authorization;  // "Bearer KEY", or "Basic …" with the key as the password; empty: none
  std::optional<std::string> tenant;  // mind-tenant
  std::string forwarded;              // mind-caller-bin: what one front says to another
  std::string traceparent;            // W3C's, as it came; empty: none
  std::string tracestate;             // likewise
  std::string peer = {};              // the address that it comes from, as this server sees it
};

// Who decides about it. Thread-safe.
class Authority {
 public:
  virtual ~Authority() = default;

  // `name`: of what is called, as AccessTo's. `requests`, if given, is filled in where calls are counted.
  // UNAUTHENTICATED: the key is missing, is none, or holds no more. PERMISSION_DENIED: it does not allow
  // this. RESOURCE_EXHAUSTED: its tenant has called too often. INVALID_ARGUMENT: mind-tenant is no name.
  virtual absl::StatusOr<Caller> Admit(const Credentials& credentials, std::string_view name,
                                       std::optional<Rate>* requests = nullptr) = 0;
  // The same, for a call that was admitted before and still goes on: it is not counted.
  virtual absl::Status StillAdmits(const Credentials& credentials, std::string_view name) const = 0;
  // How the tenant of a key that holds stands with its calls; nothing where they are not counted. This is
  // none.
  virtual std::optional<Rate> RequestsOf(const Credentials&) { return std::nullopt; }
};

class Gatekeeper : public Authority {
 public:
  // A call that was not let in.
  struct Refused {
    std::string name;    // of what was called
    std::string reason;  // as in ErrorInfo
    std::string key_id;  // empty: none that is known
    std::string trace;   // its trace's id; empty: it said none
    std::string peer;    // as in Credentials
  };
  struct Options {
    // Null: keys are not asked for; whoever calls may do everything, and says for which tenant.
    const KeyBook* keys = nullptr;
    std::function<absl::Time()> clock;             // REQUIRES: set
    std::function<absl::Duration()> steady_clock;  // REQUIRES: set
    // Told of each call that is not let in, on any thread.
    std::function<void(const Refused&)> refused = [](const Refused&) {};
  };

  explicit Gatekeeper(Options options) : options_(std::move(options)) {}

  absl::StatusOr<Caller> Admit(const Credentials& credentials, std::string_view name,
                               std::optional<Rate>* requests = nullptr) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status StillAdmits(const Credentials& credentials, std::string_view name) const override;

  std::optional<Rate> RequestsOf(const Credentials& credentials) override ABSL_LOCKS_EXCLUDED(mutex_);

  bool asks_for_keys() const { return options_.keys != nullptr; }

 private:
  absl::StatusOr<Caller> Judge(const Credentials& credentials, std::string_view name) const;
  // The key that is given, if it holds.
  absl::StatusOr<std::shared_ptr<const internal::v1::StoredKey>> KeyOf(
      const std::string& authorization) const;
  absl::Status Count(const std::string& tenant, std::optional<Rate>* requests) ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  absl::Mutex mutex_;
  std::map<std::string, Bucket> requests_ ABSL_GUARDED_BY(mutex_);  // by tenants that have a limit
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_GATEKEEPER_H_
