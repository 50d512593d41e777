// The state of the service, which its parts share.
#ifndef MIND_SERVER_GENERATION_SERVICE_STATE_H_
#define MIND_SERVER_GENERATION_SERVICE_STATE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/keys.pb.h"
#include "server/dispatch/dispatcher.h"
#include "server/generation/checkpoint_keeper.h"
#include "server/generation/disk_budget.h"
#include "server/generation/event_source.h"
#include "server/generation/job_id.h"
#include "server/generation/job_ties.h"
#include "server/generation/job_traces.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/generation/model_catalog.h"
#include "server/generation/moderator.h"
#include "server/generation/validate.h"
#include "server/generation/webhook.h"
#include "server/generation/worker_sessions.h"
#include "server/store/job_store.h"
#include "server/store/object_store.h"
#include "server/trust/audit.h"
#include "server/trust/quotas.h"

namespace mind::server {

struct ServiceOptions {
  Dispatcher::Options dispatcher;
  RequestLimits limits;
  // Waiting jobs; one more is refused.
  size_t max_queue = 1000;
  // Bytes that jobs which have not ended may have brought, prompts and pictures; one more job is refused.
  uint64_t max_queue_bytes = uint64_t{1} << 30;
  // Bytes that the job store may take up on the server's disk; from there on jobs are refused. 0: any number.
  uint64_t max_disk_bytes = 0;
  // A job that would wait longer than this, as estimated, is refused.
  absl::Duration max_wait = absl::Hours(1);
  // How long ended jobs and their pictures are kept; and those of tenants with a time of their own. While
  // that is not known, none is forgotten.
  absl::Duration keep = absl::Hours(24);
  std::function<std::optional<std::map<std::string, absl::Duration>>()> keeps = [] {
    return std::map<std::string, absl::Duration>();
  };
  // How long after a restart a job that was tied to a call waits to be asked for.
  absl::Duration orphan_patience = absl::Seconds(30);
  // A request that names no model does not mean one that nobody has served for longer.
  absl::Duration model_memory = absl::Hours(1);
  // How long a job that is tied to the calls of another front waits for it once it is gone.
  absl::Duration front_patience = absl::Seconds(30);
  // Run when another server has taken the store: nothing that this service knows is to be believed.
  std::function<void()> term_over = [] {};
  // How often a picture's state is kept by a store that keeps them, at most; infinite: never.
  absl::Duration checkpoint_interval = absl::Seconds(10);
  // Run when the store can never write what it is given: what this service knows beyond the store is lost.
  std::function<void(const absl::Status& why)> store_broken = [](const absl::Status&) {};
  // Results that wait to be written; beyond, workers are not read on.
  size_t held_bytes = 256 << 20;
  // What a tenant may take. From any thread.
  std::function<v1::TenantLimits(const std::string& tenant)> limits_of = [](const std::string&) {
    return v1::TenantLimits();
  };
  // Is told what becomes of jobs; must outlive the service. Null: nobody keeps that.
  Audit* audit = nullptr;
  // Where large pictures are put, by workers too where they can; must outlive the service. Null: they lie in
  // the store.
  ObjectStore* objects = nullptr;
  // Tells of jobs' ends; must outlive the service. Null: nobody is told.
  WebhookSender* webhooks = nullptr;
  // Says what is allowed; must outlive the service. Null: all is.
  Moderator* moderator = nullptr;
  // Takes spans; must outlive the service. Null: none are recorded.
  SpanSink* spans = nullptr;
  Post post;                          // to the loop. REQUIRES: set
  std::function<absl::Time()> clock;  // REQUIRES: set
  std::function<std::string()> new_job_id = NewJobId;
  // For leases and limits: never jumps, whatever becomes of `clock`.
  std::function<absl::Duration()> steady_clock = SteadyNow;
};

// All on the server's loop; not thread-safe.
struct ServiceState {
  // `store` and `metrics` must outlive it.
  ServiceState(const ServiceOptions& the_options, JobStore& the_store, ServerMetrics& the_metrics);

  absl::Time Now() const { return options.clock(); }
  Moment Present() const { return {options.clock(), options.steady_clock()}; }

  // A callback for the store that passes what it is told on to the loop.
  template <typename T>
  JobStore::Done<T> OnLoop(std::function<void(absl::StatusOr<T>)> then) const {
    return [post = options.post, then = std::move(then)](absl::StatusOr<T> result) {
      post([then, result = std::move(result)]() mutable { then(std::move(result)); });
    };
  }

  // A job as the outside sees it, if it has not ended durably; null for others.
  const v1::Job* FindActive(const std::string& id) const;
  // That a job waits, and where.
  v1::JobEvent QueuedEvent(const v1::Job& job) const;
  // Jobs of an earlier run have no feed until somebody needs one.
  void EnsureFeed(const v1::Job& job);
  // Has the end of a job, which is durable, told to who is to be told of it.
  void TellWebhook(const v1::Job& job);
  // Notes for whoever must answer for the server what was done to a job; `by` is the key it was done with.
  void Record(const std::string& action, const v1::Job& job, nlohmann::ordered_json facts,
              const std::string& by = "") const;
  // The same of what moderation has not allowed, or has not answered: a request that is no job.
  void RecordBlocked(const Caller& caller, const v1::ImageSpec& spec, const std::string& traceparent,
                     const absl::Status& verdict) const;

  const ServiceOptions options;
  JobStore& store;
  ServerMetrics& metrics;
  Dispatcher dispatcher;
  CheckpointKeeper checkpoints;
  EventSource events;
  Ledger ledger;
  JobTies ties;
  Quotas quotas;
  DiskBudget disk;
  JobTraces traces;
  ModelCatalog catalog;
  WorkerSessions sessions;
  // Lives as long as this: who leads no more has nothing told.
  const std::shared_ptr<const void> telling = std::make_shared<const char>();
};

// For the audit: why something is not allowed.
nlohmann::ordered_json ReasonFacts(const absl::Status& why);

// There is none of that id, or it is another tenant's, for whom it does not exist.
absl::Status UnknownJob(const std::string& id);
// Whoever wanted a tied job has left.
absl::Status CallerGone(const std::string& id);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SERVICE_STATE_H_
