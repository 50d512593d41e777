#include "server/trust/key_table.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/trust/caller.h"

namespace mind::server {
namespace {

constexpr int kMaxName = 200, kMaxModels = 100, kMaxModelName = 256;
constexpr double kMaxWeight = 1000;
constexpr absl::Duration kShortestKeep = absl::Seconds(1);
constexpr size_t kHash = 32, kIdDigits = 10;

absl::Status CheckTimes(const v1::ApiKey& key, const std::string& field) {
  if (key.has_expire_time() && !IsValid(key.expire_time())) {
    return InvalidField(field + ".expire_time", "it must be a time from the year 1 to 9999");
  }
  return absl::OkStatus();
}

absl::Status CheckStored(const internal::v1::StoredKey& stored) {
  const std::string& id = stored.key().id();
  const std::string named = absl::StrCat("key \"", Printable(id, 20), "\"");
  if (id.size() != kIdDigits || !std::all_of(id.begin(), id.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c));
      })) {
    return InvalidField(named + ".id", "it must be ten letters and digits");
  }
  if (stored.secret_sha256().size() != kHash) {
    return InvalidField(named + ".secret_sha256", "it must be 32 bytes in base64");
  }
  return CheckKey(stored.key(), named);
}

}  // namespace

void KeyTable::AddStored(const std::string& id, const std::string& bytes) {
  internal::v1::StoredKey key;
  if (key.ParseFromString(bytes) && key.key().id() == id && CheckStored(key).ok()) {
    keys[id] = std::move(key);
  } else {
    LogError("a key in the store cannot be read", {{"key", id}});
  }
}

void KeyTable::AddLimits(const std::string& tenant, const std::string& bytes) {
  v1::TenantLimits limits;
  if (limits.ParseFromString(bytes)) {
    tenants[tenant] = std::move(limits);
  } else {
    LogError("a tenant's limits in the store cannot be read", {{"tenant", tenant}});
  }
}

absl::Status CheckKey(const v1::ApiKey& key, const std::string& field) {
  if (absl::Status bad = ValidateTenant(key.tenant()); !bad.ok()) {
    return InvalidField(field + ".tenant", GetBadRequest(bad)->field_violations(0).description());
  }
  if (key.name().size() > kMaxName) {
    return InvalidField(field + ".name", absl::StrCat(key.name().size(), " bytes; at most ", kMaxName));
  }
  if (key.scopes().empty()) {
    return InvalidField(field + ".scopes",
                        "none given; at least one of generate, read, admin, worker, scale, proxy");
  }
  for (const int scope : key.scopes()) {
    if (scope == v1::SCOPE_UNSPECIFIED || !v1::Scope_IsValid(scope)) {
      return InvalidField(field + ".scopes", absl::StrCat(scope,
                                                          " is none; generate, read, admin, worker, "
                                                          "scale and proxy are"));
    }
  }
  if (key.models_size() > kMaxModels) {
    return InvalidField(field + ".models", absl::StrCat(key.models_size(), " given; at most ", kMaxModels));
  }
  for (const std::string& model : key.models()) {
    if (model.empty() || model.size() > kMaxModelName) {
      return InvalidField(field + ".models",
                          absl::StrCat("a model's name is 1 to ", kMaxModelName, " bytes"));
    }
  }
  if (!v1::Priority_IsValid(key.highest_priority())) {
    return InvalidField(field + ".highest_priority",
                        absl::StrCat(key.highest_priority(), " is none; low, normal and high are"));
  }
  return CheckTimes(key, field);
}

absl::Status CheckLimits(const std::string& tenant, const v1::TenantLimits& limits,
                         const std::string& field) {
  if (absl::Status bad = ValidateTenant(tenant); !bad.ok()) {
    return InvalidField("tenant", GetBadRequest(bad)->field_violations(0).description());
  }
  if (!(limits.weight() >= 0 && limits.weight() <= kMaxWeight)) {
    return InvalidField(field + ".weight",
                        absl::StrCat(limits.weight(), " given; more than 0, up to ", kMaxWeight));
  }
  for (const double seconds : {limits.worker_seconds_per_minute(), limits.worker_seconds_per_day()}) {
    if (!(seconds >= 0 && std::isfinite(seconds))) {
      return InvalidField(field + ".worker_seconds",
                          absl::StrCat(seconds, " given; 0, for no limit, or more"));
    }
  }
  if (limits.has_keep() && !(IsValid(limits.keep()) && FromDuration(limits.keep()) >= kShortestKeep)) {
    return InvalidField(field + ".keep",
                        absl::StrCat("it must be a time from ", absl::FormatDuration(kShortestKeep),
                                     " to 10000 years, or unset for what the server keeps"));
  }
  return absl::OkStatus();
}

std::pair<internal::v1::StoredKey, KeyText> MakeKey(v1::ApiKey like, absl::Time now) {
  const KeyText text = NewKeyText();
  internal::v1::StoredKey stored;
  *stored.mutable_key() = std::move(like);
  stored.mutable_key()->set_id(text.id);
  *stored.mutable_key()->mutable_create_time() = ToTimestamp(now);
  stored.mutable_key()->clear_revoke_time();
  stored.set_secret_sha256(HashOfSecret(text.secret));
  return {std::move(stored), text};
}

bool IsGood(const v1::ApiKey& key, absl::Time now) {
  return !key.has_revoke_time() && (!key.has_expire_time() || now < FromTimestamp(key.expire_time()));
}

std::vector<v1::ApiKey> Listed(const KeyTable& table, const std::string& tenant) {
  std::vector<v1::ApiKey> keys;
  for (const auto& [id, stored] : table.keys) {
    if (tenant.empty() || stored.key().tenant() == tenant) keys.push_back(stored.key());
  }
  std::sort(keys.begin(), keys.end(), [](const v1::ApiKey& one, const v1::ApiKey& other) {
    return std::forward_as_tuple(one.tenant(), FromTimestamp(one.create_time()), one.id()) <
           std::forward_as_tuple(other.tenant(), FromTimestamp(other.create_time()), other.id());
  });
  return keys;
}

absl::StatusOr<KeyTable> ParseKeyTable(const std::string& text) {
  internal::v1::KeyFile file;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &file);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is no JSON of a file of keys: ", Printable(parsed.message().ToString(), 500)));
  }
  KeyTable table;
  for (internal::v1::StoredKey& stored : *file.mutable_keys()) {
    if (absl::Status bad = CheckStored(stored); !bad.ok()) return bad;
    const std::string id = stored.key().id();
    if (!table.keys.emplace(id, std::move(stored)).second) {
      return absl::InvalidArgumentError(absl::StrCat("two keys have the id ", id));
    }
  }
  for (const auto& [tenant, limits] : file.tenants()) {
    if (absl::Status bad = CheckLimits(tenant, limits, absl::StrCat("tenants.", tenant)); !bad.ok())
      return bad;
    table.tenants[tenant] = limits;
  }
  return table;
}

std::string ToText(const KeyTable& table) {
  internal::v1::KeyFile file;
  for (const auto& [id, stored] : table.keys) *file.add_keys() = stored;
  for (const auto& [tenant, limits] : table.tenants) (*file.mutable_tenants())[tenant] = limits;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = true;
  std::string text;
  // Fails for what is not UTF-8, which CheckKey has let nobody in with.
  if (!google::protobuf::util::MessageToJsonString(file, &text, options).ok()) return "{}\n";
  return text;
}

}  // namespace mind::server
