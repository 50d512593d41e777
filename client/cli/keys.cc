#include "client/cli/keys.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/outcome.h"
#include "client/cli/print.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/trust/access.h"
#include "server/trust/key_file.h"
#include "server/trust/key_table.h"

namespace mind::cli {
namespace {

// A new key, as a server or a file gives it.
struct Made {
  v1::ApiKey key;
  std::string text;
};

// How it went with a file.
int ReportFile(const absl::Status& status) {
  std::string text(status.message());
  if (const auto bad = GetBadRequest(status)) {
    for (const auto& violation : bad->field_violations()) {
      text = absl::StrCat(violation.field(), ": ", violation.description());
    }
  }
  std::fprintf(stderr, "mind: %s\n", Printable(text, 1000).c_str());
  return absl::IsNotFound(status) ? kNotFound : kUsage;
}

int Report(const absl::Status& status, const Common& common, const KeysOptions& options) {
  return options.file.empty() ? ReportError(status, common) : ReportFile(status);
}

absl::StatusOr<internal::v1::StoredKey*> FindIn(server::KeyTable& table, const std::string& id) {
  const auto found = table.keys.find(id);
  if (found != table.keys.end()) return &found->second;
  return absl::NotFoundError(absl::StrCat("no key of the file has the id \"", Printable(id, 40), "\""));
}

absl::StatusOr<Made> CreateInFile(const std::string& file, const v1::ApiKey& like) {
  if (absl::Status bad = server::CheckKey(like, "key"); !bad.ok()) return bad;
  const auto [stored, text] = server::MakeKey(like, absl::Now());
  const absl::Status changed = server::ChangeKeyFile(file, [&stored = stored](server::KeyTable& table) {
    table.keys[stored.key().id()] = stored;
    return absl::OkStatus();
  });
  if (!changed.ok()) return changed;
  return Made{stored.key(), server::ToText(text)};
}

absl::StatusOr<Made> RotateInFile(const std::string& file, const std::string& id, absl::Duration overlap) {
  Made made;
  const absl::Time now = absl::Now();
  const absl::Status changed = server::ChangeKeyFile(file, [&](server::KeyTable& table) -> absl::Status {
    const absl::StatusOr<internal::v1::StoredKey*> old = FindIn(table, id);
    if (!old.ok()) return old.status();
    v1::ApiKey& key = *(*old)->mutable_key();
    if (!server::IsGood(key, now)) {
      return absl::FailedPreconditionError(absl::StrCat("the key ", id, " has been revoked or has expired"));
    }
    const auto [stored, text] = server::MakeKey(key, now);
    made = {stored.key(), server::ToText(text)};
    if (!key.has_expire_time() || now + overlap < FromTimestamp(key.expire_time())) {
      *key.mutable_expire_time() = ToTimestamp(now + overlap);
    }
    table.keys[stored.key().id()] = stored;
    return absl::OkStatus();
  });
  if (!changed.ok()) return changed;
  return made;
}

absl::StatusOr<v1::ApiKey> RevokeInFile(const std::string& file, const std::string& id) {
  v1::ApiKey revoked;
  const absl::Status changed = server::ChangeKeyFile(file, [&](server::KeyTable& table) -> absl::Status {
    const absl::StatusOr<internal::v1::StoredKey*> found = FindIn(table, id);
    if (!found.ok()) return found.status();
    v1::ApiKey& key = *(*found)->mutable_key();
    if (!key.has_revoke_time()) *key.mutable_revoke_time() = ToTimestamp(absl::Now());
    revoked = key;
    return absl::OkStatus();
  });
  if (!changed.ok()) return changed;
  return revoked;
}

std::string ScopesOf(const v1::ApiKey& key) {
  return absl::StrJoin(key.scopes(), ",",
                       [](std::string* out, int scope) { absl::StrAppend(out, server::ScopeName(scope)); });
}

std::string DayOf(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d", FromTimestamp(time), absl::LocalTimeZone());
}

std::string KeyState(const v1::ApiKey& key) {
  if (key.has_revoke_time()) return absl::StrCat("revoked ", DayOf(key.revoke_time()));
  if (!key.has_expire_time()) return "good";
  return absl::StrCat(server::IsGood(key, absl::Now()) ? "until " : "expired ", DayOf(key.expire_time()));
}

int PrintMade(const Made& made, const Common& common) {
  std::fprintf(stderr, "mind: key %s of tenant %s: %s\nIt is not shown again:\n", made.key.id().c_str(),
               made.key.tenant().c_str(), ScopesOf(made.key).c_str());
  if (common.json) PrintJson(made.key);
  std::printf("%s\n", made.text.c_str());
  return kOk;
}

}  // namespace

int CreateKey(client::Client& client, const Common& common, const KeysOptions& options) {
  v1::ApiKey like = options.key;
  if (options.expires) *like.mutable_expire_time() = ToTimestamp(absl::Now() + *options.expires);
  absl::StatusOr<Made> made;
  if (options.file.empty()) {
    auto response = client.CreateKey(like);
    made = response.ok() ? absl::StatusOr<Made>(Made{response->key(), response->text()}) : response.status();
  } else {
    made = CreateInFile(options.file, like);
  }
  return made.ok() ? PrintMade(*made, common) : Report(made.status(), common, options);
}

int ListKeys(client::Client& client, const Common& common, const KeysOptions& options) {
  absl::StatusOr<std::vector<v1::ApiKey>> keys;
  if (options.file.empty()) {
    keys = client.ListKeys(options.tenant);
  } else {
    const absl::StatusOr<server::KeyTable> table = server::ReadKeyFile(options.file);
    keys = table.ok() ? absl::StatusOr<std::vector<v1::ApiKey>>(server::Listed(*table, options.tenant))
                      : table.status();
  }
  if (!keys.ok()) return Report(keys.status(), common, options);
  if (!common.json) std::printf("%-10s  %-20s %-18s %-24s %s\n", "ID", "TENANT", "STATE", "SCOPES", "NAME");
  for (const v1::ApiKey& key : *keys) {
    if (common.json) {
      PrintJson(key);
      continue;
    }
    std::printf("%-10s  %-20s %-18s %-24s %s\n", key.id().c_str(), key.tenant().c_str(),
                KeyState(key).c_str(), ScopesOf(key).c_str(), Printable(key.name(), 200).c_str());
  }
  return kOk;
}

int RotateKey(client::Client& client, const Common& common, const KeysOptions& options) {
  absl::StatusOr<Made> made;
  if (options.file.empty()) {
    auto response = client.RotateKey(options.id, options.overlap);
    made = response.ok() ? absl::StatusOr<Made>(Made{response->key(), response->text()}) : response.status();
  } else {
    made = RotateInFile(options.file, options.id, options.overlap);
  }
  return made.ok() ? PrintMade(*made, common) : Report(made.status(), common, options);
}

int RevokeKey(client::Client& client, const Common& common, const KeysOptions& options) {
  const absl::StatusOr<v1::ApiKey> key =
      options.file.empty() ? client.RevokeKey(options.id) : RevokeInFile(options.file, options.id);
  if (!key.ok()) return Report(key.status(), common, options);
  if (common.json) PrintJson(*key);
  std::fprintf(stderr, "mind: key %s of tenant %s is revoked: within half a minute nobody gets in with it\n",
               key->id().c_str(), key->tenant().c_str());
  return kOk;
}

int LimitTenant(client::Client& client, const Common& common, const KeysOptions& options) {
  absl::Status set;
  if (options.file.empty()) {
    set = client.SetTenantLimits(options.tenant, options.limits);
  } else if (set = server::CheckLimits(options.tenant, options.limits, "limits"); set.ok()) {
    set = server::ChangeKeyFile(options.file, [&options](server::KeyTable& table) {
      table.tenants[options.tenant] = options.limits;
      return absl::OkStatus();
    });
  }
  if (!set.ok()) return Report(set, common, options);
  if (common.json) PrintJson(options.limits);
  return kOk;
}

}  // namespace mind::cli
