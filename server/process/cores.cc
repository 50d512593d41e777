#include "server/process/cores.h"

#include <utility>

#include "absl/strings/str_cat.h"
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

ServiceOptions OptionsFrom(const Flags& flags, const Post& post) {
  ServiceOptions options;
  options.dispatcher.lease = flags.lease;
  options.dispatcher.progress.stall = flags.stall;
  options.max_queue = static_cast<size_t>(flags.max_queue);
  options.max_wait = flags.max_wait;
  options.keep = flags.keep;
  options.post = post;
  options.clock = [] { return absl::Now(); };
  return options;
}

absl::Status CannotOpen(const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("cannot open the job store: ", why.message()));
}

absl::StatusOr<std::unique_ptr<Core>> MakeFront(const Flags& flags, const Post& post,
                                                ServerMetrics& metrics) {
  absl::StatusOr<std::unique_ptr<PostgresTermStore>> terms = [&flags] {
    const EndsAtOnce nothing_to_finish;  // the database may not be there for long
    return PostgresTermStore::Open(flags.store);
  }();
  if (!terms.ok()) return CannotOpen(terms.status());
  return Front::Start({.cluster = flags.cluster,
                       .lease = flags.leader_lease,
                       .service = OptionsFrom(flags, post),
                       .store = std::make_shared<PostgresJobReader>(flags.store),
                       .terms = *std::move(terms),
                       .open_store =
                           [url = flags.store](uint64_t term, const std::string& holder) {
                             return PostgresJobStore::Open(url, holder, term);
                           }},
                      metrics);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Core>> MakeCore(const Flags& flags, const Post& post, ServerMetrics& metrics) {
  if (!flags.store.empty()) return MakeFront(flags, post, metrics);
  absl::StatusOr<std::unique_ptr<SqliteJobStore>> store = SqliteJobStore::Open(flags.data);
  if (!store.ok()) return CannotOpen(store.status());
  return Alone::Create(OptionsFrom(flags, post), *std::move(store), metrics);
}

}  // namespace mind::server
