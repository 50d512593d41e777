#include "server/trust/gatekeeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "proto/support/trace_context.h"
#include "server/trust/access.h"
#include "server/trust/key_text.h"

namespace mind::server {
namespace {

constexpr absl::Duration kAskAgain = absl::Seconds(5);

absl::Status NotKnown(const std::string& reason, const std::string& message, const std::string& key_id = "") {
  return MakeError(absl::StatusCode::kUnauthenticated, message, reason,
                   key_id.empty() ? ErrorMetadata() : ErrorMetadata{{"key", key_id}});
}

// The key in it, as text; empty: there is none.
std::string GivenKey(const std::string& authorization) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(authorization, absl::MaxSplits(' ', 1));
  const absl::string_view given = absl::StripAsciiWhitespace(parts.second);
  if (absl::EqualsIgnoreCase(parts.first, "bearer")) return std::string(given);
  std::string plain;
  if (!absl::EqualsIgnoreCase(parts.first, "basic") || !absl::Base64Unescape(given, &plain)) return "";
  const size_t colon = plain.find(':');
  return colon == std::string::npos ? "" : plain.substr(colon + 1);
}

bool HasScope(const v1::ApiKey& key, v1::Scope scope) {
  return std::find(key.scopes().begin(), key.scopes().end(), scope) != key.scopes().end();
}

}  // namespace

absl::StatusOr<Caller> Gatekeeper::Admit(const Credentials& credentials, std::string_view name,
                                         std::optional<Rate>* requests) {
  absl::StatusOr<Caller> caller = Judge(credentials, name);
  if (caller.ok()) {
    if (absl::Status counted = Count(caller->tenant, requests); !counted.ok()) caller = counted;
  }
  const std::optional<TraceContext> trace = ParseTraceparent(credentials.traceparent, credentials.tracestate);
  if (!caller.ok()) {
    const auto info = GetErrorInfo(caller.status());
    options_.refused({.name = std::string(name),
                      .reason = info && !info->reason().empty() ? info->reason() : "INVALID_ARGUMENT",
                      .key_id = info && info->metadata().count("key") > 0 ? info->metadata().at("key") : "",
                      .trace = trace ? trace->TraceId() : "",
                      .peer = credentials.peer});
    return trace ? WithTraceId(caller.status(), trace->TraceId()) : caller.status();
  }
  // What is none is as if it were not there, whatever bytes it has.
  caller->traceparent = trace ? ToTraceparent(*trace) : "";
  caller->tracestate = trace ? trace->state : "";
  return caller;
}

absl::Status Gatekeeper::StillAdmits(const Credentials& credentials, std::string_view name) const {
  return Judge(credentials, name).status();
}

absl::StatusOr<Caller> Gatekeeper::Judge(const Credentials& credentials, std::string_view name) const {
  const std::optional<Access> access = AccessTo(name);
  if (!access) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     absl::StrCat(std::string(name), ": nobody may call it"), "ACCESS_UNKNOWN");
  }
  Caller caller;
  if (access->open()) return caller;
  if (!asks_for_keys()) {
    if (credentials.tenant) caller.tenant = *credentials.tenant;
    if (absl::Status bad = ValidateTenant(caller.tenant); !bad.ok()) return bad;
    return caller;
  }
  const auto found = KeyOf(credentials.authorization);
  if (!found.ok()) return found.status();
  const v1::ApiKey& key = (*found)->key();
  if (!HasScope(key, access->scope)) {
    const std::string scope = ScopeName(access->scope);
    return MakeError(
        absl::StatusCode::kPermissionDenied,
        absl::StrCat("the key ", key.id(), " has not the scope \"", scope, "\", which this needs"),
        "SCOPE_MISSING", {{"key", key.id()}, {"scope", scope}});
  }
  caller.tenant = key.tenant();
  caller.key_id = key.id();
  caller.models.assign(key.models().begin(), key.models().end());
  caller.highest_priority =
      key.highest_priority() == v1::PRIORITY_UNSPECIFIED ? v1::PRIORITY_NORMAL : key.highest_priority();
  if (!credentials.tenant) return caller;
  if (!HasScope(key, v1::SCOPE_PROXY)) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     absl::StrCat("the key ", key.id(),
                                  " says whose request it is; only one with the scope \"proxy\" may be sent "
                                  "with mind-tenant"),
                     "TENANT_NOT_ALLOWED", {{"key", key.id()}});
  }
  caller.tenant = *credentials.tenant;
  if (absl::Status bad = ValidateTenant(caller.tenant); !bad.ok()) return bad;
  return caller;
}

absl::StatusOr<std::shared_ptr<const internal::v1::StoredKey>> Gatekeeper::KeyOf(
    const std::string& authorization) const {
  if (authorization.empty()) {
    return NotKnown("API_KEY_MISSING",
                    "a key is needed: authorization: Bearer mind_… (or Basic, with it as the password)");
  }
  const std::optional<KeyText> given = ParseKeyText(GivenKey(authorization));
  if (!given) return NotKnown("API_KEY_INVALID", "the key is not one of this server's");
  const KeyBook::Found found = options_.keys->Find(given->id, options_.steady_clock());
  if (!found.known) {
    return WithRetry(
        MakeError(absl::StatusCode::kUnavailable,
                  "whether the key holds cannot be said: the store does not answer", "KEYS_UNKNOWN"),
        kAskAgain);
  }
  // What else is wrong with it only its bearer learns.
  if (found.key == nullptr || !SameHash(HashOfSecret(given->secret), found.key->secret_sha256())) {
    return NotKnown("API_KEY_INVALID", "the key is not one of this server's");
  }
  const v1::ApiKey& key = found.key->key();
  if (key.has_revoke_time()) {
    return NotKnown("API_KEY_REVOKED", absl::StrCat("the key ", key.id(), " has been revoked"), key.id());
  }
  if (!IsGood(key, options_.clock())) {
    return NotKnown("API_KEY_EXPIRED", absl::StrCat("the key ", key.id(), " has expired"), key.id());
  }
  return found.key;
}

std::optional<Rate> Gatekeeper::RequestsOf(const Credentials& credentials) {
  if (!asks_for_keys()) return std::nullopt;
  const auto key = KeyOf(credentials.authorization);
  if (!key.ok()) return std::nullopt;
  const std::string& tenant = (*key)->key().tenant();
  const uint32_t limit = options_.keys->LimitsOf(tenant).requests_per_minute();
  if (limit == 0) return std::nullopt;
  const absl::MutexLock lock(&mutex_);
  Bucket& bucket = requests_[tenant];
  bucket.Refill(limit, absl::Minutes(1), options_.steady_clock());
  return bucket.State();
}

absl::Status Gatekeeper::Count(const std::string& tenant, std::optional<Rate>* requests) {
  if (!asks_for_keys()) return absl::OkStatus();
  const uint32_t limit = options_.keys->LimitsOf(tenant).requests_per_minute();
  const absl::MutexLock lock(&mutex_);
  if (limit == 0) {
    requests_.erase(tenant);
    return absl::OkStatus();
  }
  Bucket& bucket = requests_[tenant];
  bucket.Refill(limit, absl::Minutes(1), options_.steady_clock());
  const bool holds = bucket.Holds(1);
  if (holds) bucket.Take(1);
  if (requests != nullptr) *requests = bucket.State();
  if (holds) return absl::OkStatus();
  return QuotaExceeded("tenant:" + tenant, absl::StrCat("the tenant may call ", limit, " times a minute"),
                       "REQUEST_LIMIT", bucket.Until(1));
}

}  // namespace mind::server
