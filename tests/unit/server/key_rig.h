// Keys for tests: made here, told to a book.
#ifndef MIND_TESTS_UNIT_SERVER_KEY_RIG_H_
#define MIND_TESTS_UNIT_SERVER_KEY_RIG_H_

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/trust/key_store.h"
#include "server/trust/key_table.h"

namespace mind::server {

inline v1::ApiKey KeyLike(const std::string& tenant, const std::vector<v1::Scope>& scopes) {
  v1::ApiKey key;
  key.set_tenant(tenant);
  for (const v1::Scope scope : scopes) key.add_scopes(scope);
  return key;
}

// All scopes there are.
inline std::vector<v1::Scope> AllScopes() {
  return {v1::SCOPE_GENERATE, v1::SCOPE_READ,  v1::SCOPE_ADMIN,
          v1::SCOPE_WORKER,   v1::SCOPE_SCALE, v1::SCOPE_PROXY};
}

// Puts a key into the table, and gives its text.
inline std::string AddKey(KeyTable& table, const v1::ApiKey& like, absl::Time now = absl::UnixEpoch()) {
  auto [stored, text] = MakeKey(like, now);
  // What MakeKey does not take over.
  if (like.has_revoke_time()) *stored.mutable_key()->mutable_revoke_time() = like.revoke_time();
  table.keys[stored.key().id()] = stored;
  return ToText(text);
}

// A store in memory that answers at once, or fails. Thread-safe.
class FakeKeyStore : public KeyStore {
 public:
  void Read(Done<KeyTable> done) override {
    ++reads_;
    absl::StatusOr<KeyTable> answer;
    {
      const absl::MutexLock lock(&mutex_);
      answer = failure_.ok() ? absl::StatusOr<KeyTable>(table_) : failure_;
    }
    done(std::move(answer));
  }
  void Add(const internal::v1::StoredKey& key, Done<bool> done) override {
    Change([&key](KeyTable& table) { return table.keys.insert_or_assign(key.key().id(), key).second; }, done);
  }
  void Replace(const internal::v1::StoredKey& key, Done<bool> done) override {
    Change([&key](KeyTable& table) { return !table.keys.insert_or_assign(key.key().id(), key).second; },
           done);
  }
  void SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) override {
    Change(
        [&](KeyTable& table) {
          table.tenants[tenant] = limits;
          return true;
        },
        done);
  }

  void Fail(const absl::Status& failure) {
    const absl::MutexLock lock(&mutex_);
    failure_ = failure;
  }
  size_t keys() const {
    const absl::MutexLock lock(&mutex_);
    return table_.keys.size();
  }
  int reads() const { return reads_; }

 private:
  void Change(const std::function<bool(KeyTable&)>& change, const Done<bool>& done) {
    absl::StatusOr<bool> answer;
    {
      const absl::MutexLock lock(&mutex_);
      answer = failure_.ok() ? absl::StatusOr<bool>(change(table_)) : failure_;
    }
    done(answer);
  }

  mutable absl::Mutex mutex_;
  KeyTable table_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> reads_ = 0;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_KEY_RIG_H_
