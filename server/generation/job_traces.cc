#include "server/generation/job_traces.h"

#include <utility>

#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {

std::string RequestTrace::Carried() const {
  if (own) return ToTraceparent(*own);
  return parent ? ToTraceparent(*parent) : "";
}

std::string RequestTrace::TraceId() const {
  if (own) return own->TraceId();
  return parent ? parent->TraceId() : "";
}

RequestTrace JobTraces::Begin(const Caller& caller, absl::Time now) const {
  RequestTrace request{.parent = ParseTraceparent(caller.traceparent, caller.tracestate), .start = now};
  if (sink_ == nullptr) return request;
  request.own = request.parent ? NewSpanIn(*request.parent) : NewTrace(false);
  request.own->sampled = sink_->Samples(request.parent, *request.own);
  return request;
}

std::optional<Span> JobTraces::SpanOf(const RequestTrace& request, absl::Time now) const {
  if (sink_ == nullptr || !request.own || !request.own->sampled) return std::nullopt;
  return Span{.context = *request.own,
              .parent = request.parent,
              .name = "request",
              .kind = Span::Kind::kServer,
              .start = request.start,
              .end = now};
}

void JobTraces::Answered(const RequestTrace& request, const v1::Job& job, absl::Time now) const {
  std::optional<Span> span = SpanOf(request, now);
  if (!span) return;
  span->attributes = {{"mind.job", job.id()},
                      {"mind.model", job.spec().model()},
                      {"mind.images", int64_t{job.spec().image_count()}},
                      {"mind.steps", int64_t{job.spec().steps()}}};
  sink_->Add(*std::move(span));
}

void JobTraces::Refused(const RequestTrace& request, const absl::Status& why, absl::Time now) const {
  std::optional<Span> span = SpanOf(request, now);
  if (!span) return;
  const auto info = GetErrorInfo(why);
  span->attributes = {{"error.type", info ? info->reason() : absl::StatusCodeToString(why.code())}};
  span->error = std::string(why.message());
  sink_->Add(*std::move(span));
}

std::optional<Span> JobTraces::SpanOf(const v1::Job& job, const std::string& name, absl::Time start,
                                      absl::Time end) const {
  if (sink_ == nullptr) return std::nullopt;
  const std::optional<TraceContext> carried = ParseTraceparent(job.traceparent(), job.tracestate());
  if (!carried || !carried->sampled) return std::nullopt;
  return Span{.context = NewSpanIn(*carried),
              .parent = carried,
              .name = name,
              .start = start,
              .end = end,
              .attributes = {{"mind.job", job.id()}}};
}

void JobTraces::OnRequeued(const v1::Job& job, absl::Time now) {
  if (sink_ != nullptr && !job.traceparent().empty()) requeued_[job.id()] = now;
}

void JobTraces::OnAssigned(const v1::Job& job, uint32_t attempt, const std::string& worker,
                           absl::Time now) const {
  const auto requeued = requeued_.find(job.id());
  const absl::Time start = requeued == requeued_.end() ? FromTimestamp(job.create_time()) : requeued->second;
  std::optional<Span> span = SpanOf(job, "queue", start, now);
  if (!span) return;
  span->attributes.emplace_back("mind.attempt", int64_t{attempt});
  span->attributes.emplace_back("mind.worker", worker);
  sink_->Add(*std::move(span));
}

void JobTraces::OnStored(const v1::Job& job, uint32_t image, absl::Time came, absl::Time now) const {
  std::optional<Span> span = SpanOf(job, "store", came, now);
  if (!span) return;
  span->attributes.emplace_back("mind.image", int64_t{image});
  sink_->Add(*std::move(span));
}

}  // namespace mind::server
