// The keys that hold now: those of a file and those of the store, as they were last read.
#ifndef MIND_SERVER_TRUST_KEY_BOOK_H_
#define MIND_SERVER_TRUST_KEY_BOOK_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/trust/key_table.h"

namespace mind::server {

// How long what the store has said is believed: after that a key may have been revoked without our knowing.
inline constexpr absl::Duration kKeysBelieved = absl::Seconds(30);

// Thread-safe.
class KeyBook {
 public:
  // A key of both is the file's; so are a tenant's limits.
  void SetFile(KeyTable table) ABSL_LOCKS_EXCLUDED(mutex_);
  // Read at that time, on the steady clock.
  void SetStore(KeyTable table, absl::Duration read) ABSL_LOCKS_EXCLUDED(mutex_);
  // There is a store, which is still to be read: until then nobody knows its keys.
  void ExpectStore() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Found {
    std::shared_ptr<const internal::v1::StoredKey> key;  // null: none of that id
    bool known = true;  // false: the store has not been heard for too long to say
  };
  Found Find(const std::string& id, absl::Duration now) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Those that nothing was said of have none.
  v1::TenantLimits LimitsOf(const std::string& tenant) const ABSL_LOCKS_EXCLUDED(mutex_);
  // How long ended jobs are kept of those tenants of whom that is said. Nothing while the store is still to
  // be read, which may say more.
  std::optional<std::map<std::string, absl::Duration>> Keeps() const ABSL_LOCKS_EXCLUDED(mutex_);
  // All of them.
  KeyTable Everything() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using TablePtr = std::shared_ptr<const KeyTable>;

  mutable absl::Mutex mutex_;
  TablePtr file_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const KeyTable>();
  TablePtr store_ ABSL_GUARDED_BY(mutex_) = std::make_shared<const KeyTable>();
  // When the store's were read; unset: there is no store.
  std::optional<absl::Duration> read_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_BOOK_H_
