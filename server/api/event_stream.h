// A server stream of a job's events: GenerateImage and WatchJob.
#ifndef MIND_SERVER_API_EVENT_STREAM_H_
#define MIND_SERVER_API_EVENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "proto/support/errors.h"
#include "server/api/caller.h"
#include "server/dispatch/loop.h"
#include "server/generation/service.h"

namespace mind::server {

// Writes one event at a time and asks the feed for the next when the write is done, so that a slow reader
// skips to the newest and holds nothing up. Its state lives on the loop; gRPC's callbacks only post there. It
// keeps itself alive until both gRPC (OnDone) and the loop have let go.
template <typename Response>
class EventStream : public grpc::ServerWriteReactor<Response>,
                    public std::enable_shared_from_this<EventStream<Response>> {
 public:
  // What the stream is about: run on the loop, gives the job to watch and from where.
  struct Subject {
    std::string job_id;
    uint64_t after_sequence = 0;
  };
  using Begin = std::function<absl::StatusOr<Subject>(const Caller&)>;

  struct Options {
    // The caller going away cancels the job (GenerateImage), or not (WatchJob).
    bool cancels_job = false;
    // The call ends with the job's error (GenerateImage), or OK (WatchJob).
    bool status_of_job = false;
  };

  static EventStream* Start(Loop& loop, GenerationService& service, grpc::CallbackServerContext* context,
                            Options options, Begin begin) {
    std::shared_ptr<EventStream> stream(new EventStream(loop, service, options));
    stream->self_ = stream;
    const absl::StatusOr<Caller> caller = CallerOf(*context);
    if (!caller.ok()) {
      stream->Finish(ToGrpc(caller.status()));
    } else {
      stream->caller_ = *caller;
      loop.Post([stream, begin = std::move(begin)] { stream->BeginOnLoop(begin); });
    }
    return stream.get();
  }

  void OnWriteDone(bool ok) override {
    loop_.Post([stream = this->shared_from_this(), ok] {
      stream->writing_ = false;
      if (ok) {
        stream->Pump();
      } else {
        stream->FinishOnLoop(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone"));
      }
    });
  }

  void OnCancel() override {
    loop_.Post([stream = this->shared_from_this()] { stream->CallerLeft(); });
  }

  void OnDone() override {
    loop_.Post([stream = this->shared_from_this()] {
      stream->CallerLeft();  // where OnCancel did not come
      stream->self_.reset();
    });
  }

 private:
  EventStream(Loop& loop, GenerationService& service, Options options)
      : loop_(loop), service_(service), options_(options) {}

  void BeginOnLoop(const Begin& begin) {
    if (left_) return;
    const absl::StatusOr<Subject> subject = begin(caller_);
    if (!subject.ok()) return FinishOnLoop(ToGrpc(subject.status()));
    job_id_ = subject->job_id;
    const std::weak_ptr<EventStream> weak = this->weak_from_this();
    const auto on_news = [weak] {
      if (const auto stream = weak.lock()) stream->loop_.Post([stream] { stream->Pump(); });
    };
    const absl::StatusOr<WatchId> watch = service_.Watch(job_id_, subject->after_sequence, caller_, on_news);
    if (!watch.ok()) return FinishOnLoop(ToGrpc(watch.status()));
    watch_ = *watch;
  }

  void Pump() {
    if (writing_ || finished_ || left_ || !watch_) return;
    if (pending_.empty()) {
      for (v1::JobEvent& event : service_.NextEvents(*watch_)) pending_.push_back(std::move(event));
    }
    if (pending_.empty()) {
      if (final_) FinishOnLoop(*final_);
      return;
    }
    response_.mutable_event()->Swap(&pending_.front());
    pending_.pop_front();
    if (response_.event().event_case() == v1::JobEvent::kCompleted) {
      const v1::Job& job = response_.event().completed().job();
      job_ended_ = true;
      final_ = options_.status_of_job && job.has_error() ? ToGrpc(FromProto(job.error())) : grpc::Status::OK;
    }
    writing_ = true;
    this->StartWrite(&response_);
  }

  void CallerLeft() {
    if (left_) return;
    left_ = true;
    if (watch_) service_.Unwatch(*watch_);
    // A server going down lets go of its callers, not of their jobs.
    if (options_.cancels_job && !job_id_.empty() && !job_ended_ && service_.admitting()) {
      service_
          .Cancel(job_id_, caller_,
                  MakeError(absl::StatusCode::kCancelled, "the caller has gone", "CALLER_GONE",
                            {{"job", job_id_}}))
          .IgnoreError();
    }
    if (!writing_) FinishOnLoop(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone"));
  }

  void FinishOnLoop(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    this->Finish(status);
  }

  Loop& loop_;
  GenerationService& service_;
  const Options options_;
  Caller caller_;

  // The loop's.
  std::string job_id_;
  std::optional<WatchId> watch_;
  std::deque<v1::JobEvent> pending_;
  std::optional<grpc::Status> final_;
  bool job_ended_ = false;
  bool writing_ = false;
  bool finished_ = false;
  bool left_ = false;

  Response response_;  // belongs to gRPC while writing_
  std::shared_ptr<EventStream> self_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_EVENT_STREAM_H_
