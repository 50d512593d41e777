#include "server/process/cores.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "proto/support/daemon.h"
#include "server/process/alone.h"
#include "server/process/front.h"
#include "server/store/postgres_job_reader.h"
#include "server/store/postgres_job_store.h"
#include "server/store/postgres_term_store.h"
#include "server/store/sqlite_job_store.h"

namespace mind::server {
namespace {

std::vector<std::string> WebhookOrigins(const Flags& flags) {
  return absl::StrSplit(flags.webhooks, ',', absl::SkipEmpty());
}

ServiceOptions OptionsFrom(const Flags& flags, const Post& post, const Outside& outside, Trust& trust) {
  ServiceOptions options;
  options.limits_of = [&trust](const std::string& tenant) { return trust.LimitsOf(tenant); };
  options.dispatcher.lease = flags.lease;
  options.dispatcher.progress.stall = flags.stall;
  options.max_queue = static_cast<size_t>(flags.max_queue);
  options.max_queue_bytes = static_cast<uint64_t>(flags.max_queue_bytes.bytes);
  options.max_wait = flags.max_wait;
  options.audit = trust.audit();
  options.dispatcher.weight_of = [&trust](const std::string& tenant) {
    const double weight = trust.LimitsOf(tenant).weight();
    return weight > 0 ? weight : 1;
  };
  options.keep = flags.keep;
  options.limits.webhook_origins = WebhookOrigins(flags);
  options.checkpoint_interval = flags.checkpoint_interval == absl::ZeroDuration() ? absl::InfiniteDuration()
                                                                                  : flags.checkpoint_interval;
  options.webhooks = outside.webhooks;
  options.spans = outside.spans;
  options.post = post;
  options.clock = [] { return absl::Now(); };
  return options;
}

absl::Status CannotOpen(const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("cannot open the job store: ", why.message()));
}

absl::StatusOr<std::unique_ptr<Core>> MakeFront(const Flags& flags, const ServiceOptions& options,
                                                const ServerTls& tls, const GiveUp& give_up, Trust& trust,
                                                ServerMetrics& metrics) {
  absl::StatusOr<std::unique_ptr<PostgresTermStore>> terms = [&flags] {
    const EndsAtOnce nothing_to_finish;  // the database may not be there for long
    return PostgresTermStore::Open(flags.store);
  }();
  if (!terms.ok()) return CannotOpen(terms.status());
  return Front::Start({.cluster = flags.cluster,
                       .authority = &trust.gatekeeper(),
                       .lease = flags.leader_lease,
                       .service = options,
                       .store = std::make_shared<PostgresJobReader>(flags.store),
                       .terms = *std::move(terms),
                       .refused = [give_up](const absl::Status& why) { give_up(CannotOpen(why)); },
                       .open_store =
                           [url = flags.store](uint64_t term, const std::string& holder) {
                             return PostgresJobStore::Open(url, holder, term);
                           },
                       .listens_with = tls.encrypts_cluster() ? tls.ForServers() : nullptr,
                       .dials_with = tls.to_servers(),
                       .identify_worker = tls.workers()},
                      metrics);
}

}  // namespace

absl::StatusOr<std::unique_ptr<WebhookDeliverer>> OpenWebhooks(const Flags& flags) {
  const std::vector<std::string> origins = WebhookOrigins(flags);
  if (origins.empty()) return nullptr;
  return WebhookDeliverer::For(origins, flags.webhook_secret_file);
}

absl::StatusOr<std::unique_ptr<Core>> MakeCore(const Flags& flags, const Post& post, const ServerTls& tls,
                                               const Outside& outside, const GiveUp& give_up, Trust& trust,
                                               ServerMetrics& metrics) {
  ServiceOptions options = OptionsFrom(flags, post, outside, trust);
  if (!flags.store.empty()) return MakeFront(flags, options, tls, give_up, trust, metrics);
  options.store_broken = give_up;
  absl::StatusOr<std::unique_ptr<SqliteJobStore>> store = SqliteJobStore::Open(flags.data);
  if (!store.ok()) return CannotOpen(store.status());
  return Alone::Create(options, *std::move(store), trust.gatekeeper(), metrics, tls.workers());
}

}  // namespace mind::server
