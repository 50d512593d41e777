#include "server/process/cores.h"

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "proto/support/channel_tls.h"
#include "proto/support/daemon.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/process/alone.h"
#include "server/process/cluster_address.h"
#include "server/process/front.h"
#include "server/store/postgres_job_reader.h"
#include "server/store/postgres_job_store.h"
#include "server/store/postgres_term_store.h"
#include "server/store/s3_object_store.h"
#include "server/store/sqlite_job_store.h"

namespace mind::server {
namespace {

// Of moderation's timeout, where another server passes the request on: it waits ten seconds for its answer.
constexpr absl::Duration kLongestForFronts = absl::Seconds(8);

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
  options.max_disk_bytes = static_cast<uint64_t>(flags.max_disk_bytes.bytes);
  options.max_wait = flags.max_wait;
  options.audit = trust.audit();
  options.dispatcher.weight_of = [&trust](const std::string& tenant) {
    const double weight = trust.LimitsOf(tenant).weight();
    return weight > 0 ? weight : 1;
  };
  options.dispatcher.running_limit_of = [&trust](const std::string& tenant) {
    return trust.LimitsOf(tenant).max_running_images();
  };
  options.keep = flags.keep;
  options.keeps = [&trust] { return trust.Keeps(); };
  options.limits.webhook_origins = WebhookOrigins(flags);
  options.checkpoint_interval = flags.checkpoint_interval == absl::ZeroDuration() ? absl::InfiniteDuration()
                                                                                  : flags.checkpoint_interval;
  options.webhooks = outside.webhooks;
  options.moderator = outside.moderator;
  options.spans = outside.spans;
  options.post = post;
  options.clock = [] { return absl::Now(); };
  return options;
}

absl::Status CannotOpen(const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("cannot open the job store: ", why.message()));
}

// Null where the command line names no place for objects. Ends here what never will work.
absl::StatusOr<std::shared_ptr<ObjectStore>> OpenObjects(const Flags& flags, ServerMetrics& metrics) {
  if (flags.blobs.empty()) return nullptr;
  absl::StatusOr<S3Options> options =
      MakeS3Options({flags.blobs, flags.s3_endpoint, flags.s3_region}, [](const char* name) {
        const char* const value = std::getenv(name);
        return std::string(value == nullptr ? "" : value);
      });
  if (!options.ok()) return options.status();
  options->ca_file = flags.s3_ca;
  options->above = static_cast<size_t>(flags.blobs_above.bytes);
  absl::StatusOr<std::unique_ptr<S3ObjectStore>> store = S3ObjectStore::Open(*options, *metrics.registry);
  if (!store.ok()) return store.status();
  const absl::Status tried = [&store] {
    const EndsAtOnce nothing_to_finish;
    return (*store)->TryOut();
  }();
  if (!tried.ok() && !MayPass(tried)) return absl::FailedPreconditionError(tried.message());
  const LogFields fields = {{"bucket", options->bucket}, {"endpoint", options->endpoint.Origin()}};
  if (tried.ok()) {
    LogInfo("large pictures are put into the object store", fields);
  } else {
    LogWarning("large pictures wait for the object store", {{"error", std::string(tried.message())}});
  }
  return std::shared_ptr<ObjectStore>(*std::move(store));
}

absl::StatusOr<std::unique_ptr<Core>> MakeFront(const Flags& flags, const ServiceOptions& options,
                                                std::shared_ptr<ObjectStore> objects, const ServerTls& tls,
                                                const GiveUp& give_up, Trust& trust, ServerMetrics& metrics) {
  absl::StatusOr<std::unique_ptr<PostgresTermStore>> terms = [&flags] {
    const EndsAtOnce nothing_to_finish;  // the database may not be there for long
    return PostgresTermStore::Open(flags.store);
  }();
  if (!terms.ok()) return CannotOpen(terms.status());
  return Front::Start({.cluster = flags.cluster,
                       .authority = &trust.gatekeeper(),
                       .lease = flags.leader_lease,
                       .service = options,
                       .store = std::make_shared<PostgresJobReader>(flags.store, objects),
                       .terms = *std::move(terms),
                       .refused = [give_up](const absl::Status& why) { give_up(CannotOpen(why)); },
                       .open_store =
                           [url = flags.store, objects](uint64_t term, const std::string& holder) {
                             return PostgresJobStore::Open(url, holder, term, objects);
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

absl::StatusOr<std::unique_ptr<ModerationClient>> OpenModeration(const Flags& flags, ServerMetrics& metrics) {
  if (flags.moderation.empty()) {
    if (flags.moderation_ca.empty()) return nullptr;
    return absl::InvalidArgumentError("--moderation-ca goes with --moderation");
  }
  const absl::StatusOr<HostPort> split = SplitHostPort(flags.moderation);
  if (!split.ok())
    return absl::InvalidArgumentError(absl::StrCat("--moderation: ", split.status().message()));
  const bool encrypted = !flags.moderation_ca.empty();
  if (!encrypted && !IsLoopback(split->host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--moderation ", flags.moderation,
        ": prompts and pictures would leave this machine in the clear. Give --moderation-ca, or a "
        "loopback address"));
  }
  const auto credentials = MakeChannelCredentials({.on = encrypted, .authorities = flags.moderation_ca});
  if (!credentials.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--moderation-ca: ", credentials.status().message()));
  }
  if (flags.moderation_timeout >= flags.stall) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--moderation-timeout ", absl::FormatDuration(flags.moderation_timeout), " must be below --stall ",
        absl::FormatDuration(flags.stall), ": a picture that is asked about does not move"));
  }
  if (!flags.store.empty() && flags.moderation_timeout > kLongestForFronts) {
    return absl::InvalidArgumentError(
        absl::StrCat("--moderation-timeout ", absl::FormatDuration(flags.moderation_timeout),
                     " must be at most ", absl::FormatDuration(kLongestForFronts),
                     " with --store: a server that does not lead waits no longer for the one that does"));
  }
  LogInfo("moderation is asked", {{"address", flags.moderation},
                                  {"encrypted", encrypted},
                                  {"on_failure", flags.moderation_open ? "allowed" : "refused"}});
  return std::make_unique<ModerationClient>(ModerationClient::Options{.credentials = *credentials,
                                                                      .address = flags.moderation,
                                                                      .timeout = flags.moderation_timeout,
                                                                      .open = flags.moderation_open},
                                            *metrics.registry);
}

absl::StatusOr<std::unique_ptr<Core>> MakeCore(const Flags& flags, const Post& post, const ServerTls& tls,
                                               const Outside& outside, const GiveUp& give_up, Trust& trust,
                                               ServerMetrics& metrics) {
  if (flags.max_disk_bytes.bytes > 0 && !flags.store.empty()) {
    return absl::InvalidArgumentError(
        "--max-disk-bytes is about --data, and --store keeps jobs in a database: bound its disk there");
  }
  ServiceOptions options = OptionsFrom(flags, post, outside, trust);
  const absl::StatusOr<std::shared_ptr<ObjectStore>> objects = OpenObjects(flags, metrics);
  if (!objects.ok()) return objects.status();
  options.objects = objects->get();
  if (!flags.store.empty()) return MakeFront(flags, options, *objects, tls, give_up, trust, metrics);
  options.store_broken = give_up;
  absl::StatusOr<std::unique_ptr<SqliteJobStore>> store =
      SqliteJobStore::Open(flags.data, absl::Seconds(5), *objects);
  if (!store.ok()) return CannotOpen(store.status());
  return Alone::Create(options, *std::move(store), flags.data, trust.gatekeeper(), metrics, tls.workers());
}

}  // namespace mind::server
