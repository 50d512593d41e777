#include "worker/link/attempt_trace.h"

#include <utility>

namespace mind {
namespace {

// A picture of a thousand steps may have many; a trace is for people.
constexpr size_t kMostEvents = 64;

}  // namespace

AttemptTrace::AttemptTrace(Options options, const v1::ImageRef& image) : options_(std::move(options)) {
  const std::optional<TraceContext> job = ParseTraceparent(options_.traceparent, options_.tracestate);
  if (options_.sink == nullptr || !job || !job->sampled) return;
  const absl::MutexLock lock(&mutex_);
  attempt_ = Span{.context = NewSpanIn(*job),
                  .parent = job,
                  .name = "attempt",
                  .kind = Span::Kind::kConsumer,
                  .start = options_.clock(),
                  .attributes = {{"mind.job", image.job_id()},
                                 {"mind.attempt", int64_t{image.attempt()}},
                                 {"mind.image", int64_t{image.image_index()}},
                                 {"mind.worker", options_.worker}}};
}

const char* AttemptTrace::NameOf(diffusion::SideWork work) {
  switch (work) {
    case diffusion::SideWork::kLoading:
      return "load";
    case diffusion::SideWork::kEncoding:
      return "encode";
    case diffusion::SideWork::kUpscaling:
      return "upscale";
    case diffusion::SideWork::kDecoding:
      return "decode";
  }
  return "side work";
}

void AttemptTrace::Enter(const std::string& name) {
  const absl::MutexLock lock(&mutex_);
  EnterLocked(name);
}

void AttemptTrace::EnterLocked(const std::string& name) {
  if (!attempt_ || (part_ && part_->name == name)) return;
  const absl::Time now = options_.clock();
  Leave(now);
  part_ =
      Span{.context = NewSpanIn(attempt_->context), .parent = attempt_->context, .name = name, .start = now};
}

void AttemptTrace::Leave(absl::Time now) {
  if (!part_) return;
  part_->end = now;
  parts_.push_back(*std::exchange(part_, std::nullopt));
}

void AttemptTrace::OnStarted(int64_t step) {
  const absl::MutexLock lock(&mutex_);
  EnterLocked("denoise");
  if (attempt_) attempt_->attributes.emplace_back("mind.resumed_steps", step);
}

void AttemptTrace::OnStep() {
  const absl::MutexLock lock(&mutex_);
  if (part_ && part_->name == NameOf(diffusion::SideWork::kUpscaling)) EnterLocked("denoise");
}

void AttemptTrace::OnEvent(const std::string& name, int64_t step) {
  const absl::MutexLock lock(&mutex_);
  if (!part_ || part_->events.size() >= kMostEvents) return;
  part_->events.push_back({.time = options_.clock(), .name = name, .attributes = {{"mind.step", step}}});
}

void AttemptTrace::OnEnd(const std::string& outcome, const std::string& error) {
  const absl::MutexLock lock(&mutex_);
  if (!attempt_) return;
  const absl::Time now = options_.clock();
  Leave(now);
  attempt_->end = now;
  attempt_->error = error;
  attempt_->attributes.emplace_back("mind.outcome", outcome);
  options_.sink->Add(*std::exchange(attempt_, std::nullopt));
  for (Span& part : parts_) options_.sink->Add(std::move(part));
  parts_.clear();
}

}  // namespace mind
