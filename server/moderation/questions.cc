#include "server/moderation/questions.h"

#include <utility>

#include "absl/time/clock.h"

namespace mind::server {
namespace {

// A service that goes away each time it is asked is not asked for ever.
constexpr int kMostTries = 3;

}  // namespace

Questions::~Questions() {
  const absl::MutexLock lock(&mutex_);
  stopping_ = true;
  for (const QuestionPtr& question : begun_) {
    if (question->context != nullptr) question->context->TryCancel();
  }
  mutex_.Await(absl::Condition(this, &Questions::Idle));
}

void Questions::Ask(const TraceHeaders& trace, Try one, Done done) {
  auto question = std::make_shared<Question>(Question{.trace = trace,
                                                      .one = std::move(one),
                                                      .done = std::move(done),
                                                      .give_up = absl::Now() + options_.timeout});
  {
    const absl::MutexLock lock(&mutex_);
    if (begun_.size() >= options_.at_once) return waiting_.push_back(std::move(question));
    begun_.insert(question);
  }
  Begin(question);
}

void Questions::Begin(const QuestionPtr& question) {
  auto context = std::make_unique<grpc::ClientContext>();
  grpc::ClientContext* const raw = context.get();
  raw->set_deadline(absl::ToChronoTime(question->give_up));
  raw->set_wait_for_ready(options_.persistent);
  const auto& [traceparent, tracestate] = question->trace;
  if (!traceparent.empty()) raw->AddMetadata("traceparent", traceparent);
  if (!tracestate.empty()) raw->AddMetadata("tracestate", tracestate);
  {
    const absl::MutexLock lock(&mutex_);
    ++question->tries;
    question->context = std::move(context);
    question->beginning = true;
    question->ended.reset();
    if (stopping_) raw->TryCancel();
  }
  question->one(raw, [this, question](const grpc::Status& status) {
    {
      const absl::MutexLock lock(&mutex_);
      question->ended = status;
      if (question->beginning) return;
    }
    Finish(question);
  });
  {
    const absl::MutexLock lock(&mutex_);
    question->beginning = false;
    if (!question->ended) return;
  }
  Finish(question);
}

void Questions::Finish(const QuestionPtr& question) {
  const grpc::Status status = *question->ended;
  bool again = false;
  {
    const absl::MutexLock lock(&mutex_);
    question->context.reset();
    again = options_.persistent && !stopping_ && status.error_code() == grpc::StatusCode::UNAVAILABLE &&
            question->tries < kMostTries && absl::Now() < question->give_up;
  }
  if (again) return Begin(question);
  question->done(status);
  question->done = nullptr;  // and what they keep, before the destructor may go on
  question->one = nullptr;
  QuestionPtr next;
  {
    const absl::MutexLock lock(&mutex_);
    begun_.erase(question);
    if (!waiting_.empty()) {
      next = std::move(waiting_.front());
      waiting_.pop_front();
      begun_.insert(next);
    }
  }
  if (next != nullptr) Begin(next);
}

}  // namespace mind::server
