// Where keys are made, changed and revoked while a server runs.
#ifndef MIND_SERVER_TRUST_KEY_DESK_H_
#define MIND_SERVER_TRUST_KEY_DESK_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/trust/audit.h"
#include "server/trust/caller.h"
#include "server/trust/key_keeper.h"
#include "server/trust/key_store.h"

namespace mind::server {

struct NewKey {
  v1::ApiKey key;
  std::string text;  // with the secret; nowhere else
};

// Thread-safe. Answers come from the store's thread, or before the call returns; when one has come what it
// says holds on this server. Keys of the file are listed, and cannot be changed: FAILED_PRECONDITION with the
// reason KEY_IN_FILE.
class KeyDesk {
 public:
  template <typename T>
  using Answer = std::function<void(absl::StatusOr<T>)>;

  // `audit` may be null. All must outlive it.
  KeyDesk(KeyKeeper& keeper, KeyStore& store, Audit* audit, std::function<absl::Time()> clock)
      : keeper_(keeper), store_(store), audit_(audit), clock_(std::move(clock)) {}

  // `by`: who does it, for the log.
  void Create(const v1::ApiKey& like, const Caller& by, Answer<NewKey> answer);
  std::vector<v1::ApiKey> List(const std::string& tenant) const;
  void Rotate(const v1::RotateKeyRequest& request, const Caller& by, Answer<NewKey> answer);
  void Revoke(const std::string& id, const Caller& by, Answer<v1::ApiKey> answer);
  void SetLimits(const std::string& tenant, const v1::TenantLimits& limits, const Caller& by,
                 std::function<void(const absl::Status&)> answer);
  std::map<std::string, v1::TenantLimits> Limits() const { return keeper_.book().Everything().tenants; }

 private:
  // A key of the store, as it is now.
  void Find(const std::string& id, Answer<internal::v1::StoredKey> answer);
  // Puts the key into the store, and answers when it holds here.
  void Add(const v1::ApiKey& like, const Caller& by, const Answer<NewKey>& answer);
  // In the log and, as `action`, in the audit.
  void Note(const char* action, const std::string& key, const std::string& tenant, const Caller& by) const;

  KeyKeeper& keeper_;
  KeyStore& store_;
  Audit* const audit_;
  const std::function<absl::Time()> clock_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_DESK_H_
