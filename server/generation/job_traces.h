// The traces that jobs are part of: what a job carries along, and the spans of what the server does for it.
//
//   request ─┬─ queue     from its acceptance, or its return to the queue, to an assignment
//            ├─ attempt   the worker's own (worker/link/attempt_trace.h), under what the job carries
//            └─ store     from a picture's arrival until it is durable
//
// A job carries the context of its request's span, in its record: so what another server does for it after a
// restart, or after a change of leaders, is in the same tree.
#ifndef MIND_SERVER_GENERATION_JOB_TRACES_H_
#define MIND_SERVER_GENERATION_JOB_TRACES_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "proto/support/span.h"
#include "server/trust/caller.h"

namespace mind::server {

// A request, from its coming to its answer.
struct RequestTrace {
  std::optional<TraceContext> parent;  // the caller's
  std::optional<TraceContext> own;     // its span; nothing if this server records none
  absl::Time start;

  // For the job it makes; empty if nobody traces.
  std::string Carried() const;
  // The tracestate that goes with it.
  std::string State() const { return parent ? parent->state : ""; }
  // Of its trace; empty if nobody traces.
  std::string TraceId() const;
};

// All on the server's loop; not thread-safe. Without a sink nothing is recorded, and what callers bring is
// carried along as it is.
class JobTraces {
 public:
  // `sink`, if any, must outlive it.
  explicit JobTraces(SpanSink* sink) : sink_(sink) {}

  // In the caller's trace, if it is part of one.
  RequestTrace Begin(const Caller& caller, absl::Time now) const;
  // It is answered: with a job, or refused.
  void Answered(const RequestTrace& request, const v1::Job& job, absl::Time now) const;
  void Refused(const RequestTrace& request, const absl::Status& why, absl::Time now) const;

  // It waits again.
  void OnRequeued(const v1::Job& job, absl::Time now);
  // Some of its pictures go to a worker.
  void OnAssigned(const v1::Job& job, uint32_t attempt, const std::string& worker, absl::Time now) const;
  // A picture has come, and is durable.
  void OnStored(const v1::Job& job, uint32_t image, absl::Time came, absl::Time now) const;
  void OnEnded(const std::string& id) { requeued_.erase(id); }

 private:
  // A span of a job; nothing if it is not to be recorded.
  std::optional<Span> SpanOf(const v1::Job& job, const std::string& name, absl::Time start,
                             absl::Time end) const;
  std::optional<Span> SpanOf(const RequestTrace& request, absl::Time now) const;

  SpanSink* const sink_;
  std::map<std::string, absl::Time>
      requeued_;  // when, by job; those that were not have waited from the start
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_TRACES_H_
