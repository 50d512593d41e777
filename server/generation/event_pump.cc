#include "server/generation/event_pump.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

absl::Status CallerHasGone() {
  return absl::CancelledError("the caller has gone");
}

}  // namespace

void EventPump::Generate(Submission submission, const Caller& caller, const CallTimes& call) {
  generation_.Submit(std::move(submission), caller, call,
                     [self = shared_from_this(), caller, call](const absl::StatusOr<v1::Job>& job) {
                       if (!job.ok()) return self->End(job.status());
                       if (self->ended()) return self->generation_.Leave(job->id(), call);
                       self->tied_ = call;
                       self->Begin(job->id(), {}, caller);
                     });
}

void EventPump::Watch(const std::string& job_id, const WatchStart& start, const Caller& caller) {
  Begin(job_id, start, caller);
}

void EventPump::Begin(const std::string& job_id, const WatchStart& start, const Caller& caller) {
  job_id_ = job_id;
  // Posted, so that who tells the news is not called back while it does.
  const auto on_news = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->post_([self] { self->Pump(); });
  };
  generation_.Watch(job_id, start, caller, on_news,
                    [self = shared_from_this()](const absl::StatusOr<WatchId>& watch) {
                      if (!watch.ok()) return self->End(watch.status());
                      if (self->ended()) return self->generation_.Unwatch(*watch);
                      self->watch_ = *watch;
                      self->Pump();
                    });
}

void EventPump::Pump() {
  if (state_ != State::kOpen || !watch_) return;
  const WatchNews news = generation_.Next(*watch_);
  if (news.event == nullptr) {
    if (news.end) End(news.end->ok() ? job_status_ : *news.end);
    return;
  }
  if (tied_ && news.event->has_completed() && news.event->completed().job().has_error()) {
    job_status_ = FromProto(news.event->completed().job().error());
  }
  state_ = State::kWriting;
  sink_.Write(news.event);
}

void EventPump::Wrote(bool ok) {
  const bool ending = state_ == State::kEnding;
  state_ = State::kOpen;
  if (ending) return End(end_);
  if (!ok) return End(CallerHasGone());
  Pump();
}

void EventPump::CallerLeft() {
  End(CallerHasGone());
}

void EventPump::End(const absl::Status& status) {
  Release();
  switch (state_) {
    case State::kOpen:
      state_ = State::kFinished;
      sink_.Finish(status);
      return;
    case State::kWriting:
      state_ = State::kEnding;
      end_ = status;
      return;
    case State::kEnding:
    case State::kFinished:
      return;
  }
}

void EventPump::Release() {
  if (watch_) generation_.Unwatch(*watch_);
  watch_.reset();
  if (tied_ && !job_id_.empty()) generation_.Leave(job_id_, *tied_);
  job_id_.clear();
}

}  // namespace mind::server
