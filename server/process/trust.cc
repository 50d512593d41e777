#include "server/process/trust.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/logging.h"
#include "server/dispatch/moment.h"
#include "server/process/cluster_address.h"
#include "server/store/postgres_key_store.h"
#include "server/store/sqlite_key_store.h"

namespace mind::server {
namespace {

std::unique_ptr<KeyStore> StoreOf(const Flags& flags) {
  if (!flags.store.empty()) return std::make_unique<PostgresKeyStore>(flags.store);
  return std::make_unique<SqliteKeyStore>(flags.data);
}

}  // namespace

absl::Status CheckOpen(const Flags& flags) {
  if (!flags.keys.empty() && flags.open) {
    return absl::InvalidArgumentError("--open lets everybody in and --keys does not: give one of them");
  }
  if (!flags.keys.empty() || flags.open) return absl::OkStatus();
  const std::pair<const char*, const std::string&> addresses[] = {
      {"--listen", flags.listen}, {"--listen-workers", flags.listen_workers}, {"--http", flags.http}};
  for (const auto& [flag, address] : addresses) {
    if (address.empty()) continue;
    const absl::StatusOr<HostPort> split = SplitHostPort(address);
    if (!split.ok()) return absl::InvalidArgumentError(absl::StrCat(flag, ": ", split.status().message()));
    if (IsLoopback(split->host)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " ", address,
                     ": others reach this address, and without keys they may do everything. Give --keys FILE "
                     "(`mind keys create --file FILE` makes one), or --open if that is what you want"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Trust>> Trust::Open(const Flags& flags, ServerMetrics& metrics) {
  if (absl::Status status = CheckOpen(flags); !status.ok()) return status;
  std::unique_ptr<Trust> trust(new Trust());
  if (!flags.audit.empty()) {
    absl::StatusOr<std::unique_ptr<Audit>> audit = Audit::Open(flags.audit, flags.audit_prompts);
    if (!audit.ok()) return audit.status();
    trust->audit_ = *std::move(audit);
  }
  const auto clock = [] { return absl::Now(); };
  if (!flags.keys.empty()) {
    absl::StatusOr<std::unique_ptr<KeyKeeper>> keeper =
        KeyKeeper::Open({.file = flags.keys, .steady_clock = SteadyNow});
    if (!keeper.ok()) return keeper.status();
    trust->store_ = StoreOf(flags);
    trust->keeper_ = *std::move(keeper);
    trust->desk_ = std::make_unique<KeyDesk>(*trust->keeper_, *trust->store_, trust->audit(), clock);
  } else {
    LogInfo("keys are not asked for: whoever reaches this server may do everything");
  }
  trust->gatekeeper_ = std::make_unique<Gatekeeper>(
      Gatekeeper::Options{.keys = trust->keeper_ == nullptr ? nullptr : &trust->keeper_->book(),
                          .clock = clock,
                          .steady_clock = SteadyNow,
                          .refused = [&metrics, audit = trust->audit()](const Gatekeeper::Refused& refused) {
                            metrics.refusals[refused.reason].Increment();
                            if (audit == nullptr) return;
                            audit->Write("call_refused", {{"key", refused.key_id},
                                                          {"call", refused.name},
                                                          {"reason", refused.reason},
                                                          {"peer", refused.peer},
                                                          {"trace", refused.trace}});
                          }});
  return trust;
}

void Trust::Begin() {
  if (keeper_ != nullptr) keeper_->Begin(*store_);
}

}  // namespace mind::server
