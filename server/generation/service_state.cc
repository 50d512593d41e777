#include "server/generation/service_state.h"

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/generation.h"
#include "server/generation/public_job.h"

namespace mind::server {

nlohmann::ordered_json ReasonFacts(const absl::Status& why) {
  const auto info = GetErrorInfo(why);
  nlohmann::ordered_json facts = {{"reason", info ? info->reason() : ""}};
  if (info && info->metadata().count("category") > 0) facts["category"] = info->metadata().at("category");
  return facts;
}

ServiceState::ServiceState(const ServiceOptions& the_options, JobStore& the_store, ServerMetrics& the_metrics)
    : options(the_options),
      store(the_store),
      metrics(the_metrics),
      dispatcher(options.dispatcher),
      checkpoints({.interval = options.checkpoint_interval,
                   .steady_clock = options.steady_clock,
                   .post = options.post},
                  dispatcher, store.checkpoints()),
      events(store, store.epoch(), metrics, options.post),
      ledger({.held_bytes = options.held_bytes,
              .steady_clock = options.steady_clock,
              .term_over = options.term_over,
              .broken = options.store_broken},
             store, options.post),
      quotas(options.max_queue_bytes),
      disk({.max_bytes = options.max_disk_bytes, .post = options.post, .steady_clock = options.steady_clock},
           store, *metrics.registry),
      traces(options.spans),
      catalog(options.model_memory),
      sessions(ledger, store, options.post) {}

const v1::Job* ServiceState::FindActive(const std::string& id) const {
  const v1::Job* const job = dispatcher.Find(id);
  return job != nullptr ? job : ledger.FindEnding(id);
}

v1::JobEvent ServiceState::QueuedEvent(const v1::Job& job) const {
  v1::JobEvent event;
  *event.mutable_queued()->mutable_job() = PublicJob(job);
  if (dispatcher.queue().Contains(job.id())) {
    event.mutable_queued()->set_position(static_cast<uint32_t>(dispatcher.queue().AheadOf(job.id())));
    if (const auto wait = dispatcher.EstimatedWaitOf(job.id())) {
      *event.mutable_queued()->mutable_estimated_wait() = ToDuration(*wait);
    }
  }
  return event;
}

void ServiceState::EnsureFeed(const v1::Job& job) {
  if (!events.Has(job.id())) events.Publish(job.id(), QueuedEvent(job));
}

void ServiceState::TellWebhook(const v1::Job& job) {
  if (job.webhook_url().empty()) return;
  if (options.webhooks == nullptr) {
    return LogWarning("nobody is there to tell of a job's end", {{"job", job.id()}});
  }
  options.webhooks->Send(PublicJob(job), telling, [this, post = options.post, id = job.id()](bool delivered) {
    post([this, id, delivered] {
      metrics.webhooks[delivered ? "delivered" : "given_up"].Increment();
      ledger.Write(SettleWebhook{id});
    });
  });
}

void ServiceState::Record(const std::string& action, const v1::Job& job, nlohmann::ordered_json facts,
                          const std::string& by) const {
  if (options.audit == nullptr) return;
  nlohmann::ordered_json fields = {{"key", by},
                                   {"tenant", job.tenant()},
                                   {"job", job.id()},
                                   {"trace", TraceIdOf(job.traceparent())},
                                   {"model", job.spec().model()}};
  fields.update(facts);
  if (options.audit->prompts()) {
    fields["prompt"] = job.spec().prompt();
    fields["negative_prompt"] = job.spec().negative_prompt();
  }
  options.audit->Write(action, fields);
}

void ServiceState::RecordBlocked(const Caller& caller, const v1::ImageSpec& spec,
                                 const std::string& traceparent, const absl::Status& verdict) const {
  v1::Job nobody;
  nobody.set_tenant(caller.tenant);
  nobody.set_traceparent(traceparent);
  *nobody.mutable_spec() = spec;
  Record("request_blocked", nobody, ReasonFacts(verdict), caller.key_id);
}

absl::Status UnknownJob(const std::string& id) {
  return NotFound("job", Printable(id), absl::StrCat("no job has the id \"", Printable(id), "\""));
}

absl::Status CancelledByRequest(const std::string& id) {
  return MakeError(absl::StatusCode::kCancelled, "cancelled by request", "CANCELLED",
                   {{"job", Printable(id)}});
}

absl::Status CallerGone(const std::string& id) {
  return MakeError(absl::StatusCode::kCancelled, "the caller has gone", "CALLER_GONE", {{"job", id}});
}

}  // namespace mind::server
