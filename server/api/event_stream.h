// A server stream of a job's events: GenerateImage and WatchJob.
#ifndef MIND_SERVER_API_EVENT_STREAM_H_
#define MIND_SERVER_API_EVENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/api/caller.h"
#include "server/dispatch/loop.h"
#include "server/generation/service.h"

namespace mind::server {

// All of it but the type of message it travels in. Writes one event at a time and asks the service for the
// next when the write is done, so that a slow reader skips to the newest and holds nothing up.
//
// gRPC's callbacks may come at once from several threads; they only post to the loop, where the state lives.
// Finish is called exactly once, and never while a write is under way. The stream keeps itself alive until
// gRPC has let go of it (Done).
class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  // What the stream is about.
  struct Subject {
    std::string job_id;
    uint64_t after_sequence = 0;
  };
  // Run on the loop, once.
  using Begin = std::function<absl::StatusOr<Subject>(const Caller&)>;

  struct Options {
    std::string method;  // as the metrics call it
    // Set where the job is tied to the call (GenerateImage): what to say when the call leaves it.
    std::optional<CallTimes> tied;
    // The call ends with the job's error (GenerateImage), or OK (WatchJob).
    bool status_of_job = false;
  };

  virtual ~EventStream() = default;

 protected:
  EventStream(Loop& loop, GenerationService& service, const Options& options);

  // From any thread. Open comes first and Done last.
  void Open(absl::StatusOr<Caller> caller, Begin begin);
  void Wrote(bool ok);
  void CallerLeft();
  void Done();

 private:
  enum class State {
    kOpen,      // nothing is being written
    kWriting,   // gRPC has an event
    kEnding,    // gRPC has an event; when it is done with that, the call is finished with end_status_
    kFinished,  // nothing more may be started
  };

  // On the loop.
  virtual void StartWriting(v1::JobEvent event) = 0;
  virtual void FinishCall(const grpc::Status& status) = 0;

  void BeginOnLoop(const absl::StatusOr<Caller>& caller, const Begin& begin);
  void Pump();
  void WroteOnLoop(bool ok);
  void End(const grpc::Status& status);
  // Lets go of the job, once.
  void Release();

  Loop& loop_;
  GenerationService& service_;
  const Options options_;
  const OpenCall open_call_;

  // The loop's.
  State state_ = State::kOpen;
  grpc::Status end_status_;
  std::string job_id_;  // empty: holds none
  std::optional<WatchId> watch_;
  std::deque<v1::JobEvent> pending_;
  std::optional<grpc::Status> end_of_events_;  // with what the call ends when pending_ is written
  grpc::Status job_status_;

  std::shared_ptr<EventStream> self_;
};

// The reactor of one call.
template <typename Response>
class EventReactor final : public grpc::ServerWriteReactor<Response>, public EventStream {
 public:
  static grpc::ServerWriteReactor<Response>* Start(Loop& loop, GenerationService& service,
                                                   const grpc::CallbackServerContext& context,
                                                   const Options& options, Begin begin) {
    const std::shared_ptr<EventReactor> stream(new EventReactor(loop, service, options));
    stream->Open(CallerOf(context), std::move(begin));
    return stream.get();
  }

  void OnWriteDone(bool ok) override { Wrote(ok); }
  void OnCancel() override { CallerLeft(); }
  void OnDone() override { Done(); }

 private:
  EventReactor(Loop& loop, GenerationService& service, const Options& options)
      : EventStream(loop, service, options) {}

  void StartWriting(v1::JobEvent event) override {
    *response_.mutable_event() = std::move(event);
    this->StartWrite(&response_);
  }
  void FinishCall(const grpc::Status& status) override { this->Finish(status); }

  Response response_;  // gRPC's while it writes
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_EVENT_STREAM_H_
