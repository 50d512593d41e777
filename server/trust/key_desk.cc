#include "server/trust/key_desk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

constexpr size_t kMostListed = 10'000;

absl::Status UnknownKey(const std::string& id) {
  return NotFound("key", Printable(id, 40), absl::StrCat("no key has the id \"", Printable(id, 40), "\""));
}

absl::Status MustBeUnset(const v1::ApiKey& key) {
  if (!key.id().empty()) return InvalidField("key.id", "the server chooses it");
  if (key.has_create_time()) return InvalidField("key.create_time", "the server sets it");
  if (key.has_revoke_time()) return InvalidField("key.revoke_time", "RevokeKey sets it");
  return absl::OkStatus();
}

}  // namespace

void KeyDesk::Note(const char* action, const std::string& key, const std::string& tenant,
                   const Caller& by) const {
  LogInfo("keys changed", {{"action", action}, {"key", key}, {"tenant", tenant}, {"by", by.key_id}});
  if (audit_ != nullptr)
    audit_->Write(action, {{"key", by.key_id}, {"tenant", tenant}, {"changed_key", key}});
}

void KeyDesk::Create(const v1::ApiKey& like, const Caller& by, Answer<NewKey> answer) {
  if (absl::Status bad = MustBeUnset(like); !bad.ok()) return answer(bad);
  if (absl::Status bad = CheckKey(like, "key"); !bad.ok()) return answer(bad);
  if (!IsGood(like, clock_())) return answer(InvalidField("key.expire_time", "it has passed already"));
  Add(like, by, answer);
}

void KeyDesk::Add(const v1::ApiKey& like, const Caller& by, const Answer<NewKey>& answer) {
  const auto [stored, text] = MakeKey(like, clock_());
  store_.Add(stored,
             [this, by, answer, made = NewKey{stored.key(), ToText(text)}](absl::StatusOr<bool> added) {
               if (!added.ok()) return answer(added.status());
               Note("key_made", made.key.id(), made.key.tenant(), by);
               keeper_.ReadStore([answer, made] { answer(made); });
             });
}

std::vector<v1::ApiKey> KeyDesk::List(const std::string& tenant) const {
  std::vector<v1::ApiKey> keys = Listed(keeper_.book().Everything(), tenant);
  if (keys.size() > kMostListed) keys.resize(kMostListed);
  return keys;
}

void KeyDesk::Find(const std::string& id, Answer<internal::v1::StoredKey> answer) {
  store_.Read([this, id, answer = std::move(answer)](absl::StatusOr<KeyTable> table) {
    if (!table.ok()) return answer(table.status());
    const auto found = table->keys.find(id);
    if (found != table->keys.end()) return answer(std::move(found->second));
    if (keeper_.book().Everything().keys.count(id) == 0) return answer(UnknownKey(id));
    answer(
        MakeError(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("the key ", id, " is one of the server's file; `mind keys --file` changes it"),
                  "KEY_IN_FILE", {{"key", id}}));
  });
}

void KeyDesk::Rotate(const v1::RotateKeyRequest& request, const Caller& by, Answer<NewKey> answer) {
  const absl::Duration overlap = FromDuration(request.overlap());
  if (!IsValid(request.overlap()) || overlap < absl::ZeroDuration()) {
    return answer(InvalidField("overlap", "it must not be negative"));
  }
  Find(request.id(), [this, overlap, by, answer](absl::StatusOr<internal::v1::StoredKey> old) {
    if (!old.ok()) return answer(old.status());
    const absl::Time now = clock_();
    if (!IsGood(old->key(), now)) {
      return answer(MakeError(absl::StatusCode::kFailedPrecondition,
                              absl::StrCat("the key ", old->key().id(), " has been revoked or has expired"),
                              "KEY_OVER", {{"key", old->key().id()}}));
    }
    // The new one first: whatever happens in between, there is one that is good.
    Add(old->key(), by,
        [this, old = *old, end = now + overlap, by, answer](absl::StatusOr<NewKey> made) mutable {
          if (!made.ok()) return answer(made.status());
          v1::ApiKey& key = *old.mutable_key();
          if (!key.has_expire_time() || end < FromTimestamp(key.expire_time())) {
            *key.mutable_expire_time() = ToTimestamp(end);
          }
          store_.Replace(old,
                         [this, key, by, answer, made = *std::move(made)](absl::StatusOr<bool> replaced) {
                           if (!replaced.ok()) return answer(replaced.status());
                           Note("key_replaced", key.id(), key.tenant(), by);
                           keeper_.ReadStore([answer, made] { answer(made); });
                         });
        });
  });
}

void KeyDesk::Revoke(const std::string& id, const Caller& by, Answer<v1::ApiKey> answer) {
  Find(id, [this, by, answer](absl::StatusOr<internal::v1::StoredKey> found) {
    if (!found.ok()) return answer(found.status());
    if (found->key().has_revoke_time()) return answer(found->key());
    *found->mutable_key()->mutable_revoke_time() = ToTimestamp(clock_());
    store_.Replace(*found, [this, by, answer, key = found->key()](absl::StatusOr<bool> replaced) {
      if (!replaced.ok()) return answer(replaced.status());
      Note("key_revoked", key.id(), key.tenant(), by);
      keeper_.ReadStore([answer, key] { answer(key); });
    });
  });
}

void KeyDesk::SetLimits(const std::string& tenant, const v1::TenantLimits& limits, const Caller& by,
                        std::function<void(const absl::Status&)> answer) {
  if (absl::Status bad = CheckLimits(tenant, limits, "limits"); !bad.ok()) return answer(bad);
  store_.SetLimits(tenant, limits, [this, tenant, by, answer](absl::StatusOr<bool> set) {
    if (!set.ok()) return answer(set.status());
    Note("limits_set", "", tenant, by);
    keeper_.ReadStore([answer] { answer(absl::OkStatus()); });
  });
}

}  // namespace mind::server
