// All keys and limits that are known, and the text they are kept in.
#ifndef MIND_SERVER_TRUST_KEY_TABLE_H_
#define MIND_SERVER_TRUST_KEY_TABLE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/internal/v1/cluster.pb.h"
#include "server/trust/key_text.h"

namespace mind::server {

struct KeyTable {
  std::map<std::string, internal::v1::StoredKey> keys;  // by id
  std::map<std::string, v1::TenantLimits> tenants;      // by name

  // As a store keeps them: a serialized StoredKey, serialized TenantLimits. What cannot be read is nobody's
  // key; it is logged.
  void AddStored(const std::string& id, const std::string& bytes);
  void AddLimits(const std::string& tenant, const std::string& bytes);
};

// A key that may be made: INVALID_ARGUMENT names the field under `field`, what was given and what is allowed.
absl::Status CheckKey(const v1::ApiKey& key, const std::string& field);
absl::Status CheckLimits(const std::string& tenant, const v1::TenantLimits& limits, const std::string& field);

// A key like that, with a new id and secret. REQUIRES: CheckKey
std::pair<internal::v1::StoredKey, KeyText> MakeKey(v1::ApiKey like, absl::Time now);
// Whether it is neither revoked nor expired.
bool IsGood(const v1::ApiKey& key, absl::Time now);
// By tenant, the oldest first.
std::vector<v1::ApiKey> Listed(const KeyTable& table, const std::string& tenant);

// Of a file of keys: the JSON of mind.internal.v1.KeyFile. INVALID_ARGUMENT says what is wrong with it.
absl::StatusOr<KeyTable> ParseKeyTable(const std::string& text);
std::string ToText(const KeyTable& table);

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_TABLE_H_
