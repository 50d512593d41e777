#include "server/api/event_stream.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

grpc::Status CallerHasGone() {
  return grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone");
}

}  // namespace

EventStream::EventStream(Loop& loop, GenerationService& service, const Options& options)
    : loop_(loop),
      service_(service),
      options_(options),
      open_call_(service.metrics().open_calls[options.method]) {}

void EventStream::Open(absl::StatusOr<Caller> caller, Begin begin) {
  self_ = shared_from_this();
  loop_.Post([stream = self_, caller = std::move(caller), begin = std::move(begin)] {
    stream->BeginOnLoop(caller, begin);
  });
}

void EventStream::Wrote(bool ok) {
  loop_.Post([stream = shared_from_this(), ok] { stream->WroteOnLoop(ok); });
}

void EventStream::CallerLeft() {
  loop_.Post([stream = shared_from_this()] { stream->End(CallerHasGone()); });
}

void EventStream::Done() {
  loop_.Post([stream = shared_from_this()] { stream->self_.reset(); });
}

void EventStream::BeginOnLoop(const absl::StatusOr<Caller>& caller, const Begin& begin) {
  if (!caller.ok()) return End(ToGrpc(caller.status()));
  const absl::StatusOr<Subject> subject = begin(*caller);
  if (!subject.ok()) return End(ToGrpc(subject.status()));
  job_id_ = subject->job_id;
  const auto on_news = [weak = weak_from_this()] {
    const auto stream = weak.lock();
    if (stream != nullptr) stream->loop_.Post([stream] { stream->Pump(); });
  };
  const absl::StatusOr<WatchId> watch = service_.Watch(job_id_, subject->after_sequence, *caller, on_news);
  if (!watch.ok()) return End(ToGrpc(watch.status()));
  watch_ = *watch;
}

void EventStream::Pump() {
  if (state_ != State::kOpen || !watch_) return;
  if (pending_.empty() && !end_of_events_) {
    WatchNews news = service_.Next(*watch_);
    pending_.assign(std::make_move_iterator(news.events.begin()), std::make_move_iterator(news.events.end()));
    if (news.end) end_of_events_ = ToGrpc(*news.end);
  }
  if (pending_.empty()) {
    if (end_of_events_) End(end_of_events_->ok() ? job_status_ : *end_of_events_);
    return;
  }
  v1::JobEvent event = std::move(pending_.front());
  pending_.pop_front();
  if (options_.status_of_job && event.has_completed() && event.completed().job().has_error()) {
    job_status_ = ToGrpc(FromProto(event.completed().job().error()));
  }
  state_ = State::kWriting;
  StartWriting(std::move(event));
}

void EventStream::WroteOnLoop(bool ok) {
  const bool ending = state_ == State::kEnding;
  state_ = State::kOpen;
  if (ending) return End(end_status_);
  if (!ok) return End(CallerHasGone());
  Pump();
}

void EventStream::End(const grpc::Status& status) {
  Release();
  switch (state_) {
    case State::kOpen:
      state_ = State::kFinished;
      FinishCall(status);
      return;
    case State::kWriting:
      state_ = State::kEnding;
      end_status_ = status;
      return;
    case State::kEnding:
    case State::kFinished:
      return;
  }
}

void EventStream::Release() {
  if (watch_) service_.Unwatch(*watch_);
  watch_.reset();
  if (options_.tied && !job_id_.empty()) service_.Leave(job_id_, *options_.tied);
  job_id_.clear();
}

}  // namespace mind::server
