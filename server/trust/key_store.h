// Keys in the store, where all servers on it find them.
#ifndef MIND_SERVER_TRUST_KEY_STORE_H_
#define MIND_SERVER_TRUST_KEY_STORE_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/trust/key_table.h"

namespace mind::server {

// Thread-safe. What it is asked is done one after the other; callbacks come from a thread of its own, or
// before the call returns.
//
// Errors: UNAVAILABLE (the store does not answer; a change may have been made all the same), INTERNAL.
class KeyStore {
 public:
  template <typename T>
  using Done = std::function<void(absl::StatusOr<T>)>;

  virtual ~KeyStore() = default;

  virtual void Read(Done<KeyTable> done) = 0;
  // REQUIRES: nobody has its id.
  virtual void Add(const internal::v1::StoredKey& key, Done<bool> done) = 0;
  // Puts this in the place of the key of its id; false: there is none.
  virtual void Replace(const internal::v1::StoredKey& key, Done<bool> done) = 0;
  virtual void SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_STORE_H_
