// A call that follows a job: GenerateImage and WatchJob, whatever face it comes through.
//
// Hands out one event at a time and asks for the next when that has been taken, so that a slow reader skips
// to the newest and holds nothing up. Finish comes exactly once, and never while an event is being written.
//
// All on the server's loop; not thread-safe. The face's side of it is the Sink.
#ifndef MIND_SERVER_GENERATION_EVENT_PUMP_H_
#define MIND_SERVER_GENERATION_EVENT_PUMP_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/generation/generation.h"
#include "server/generation/ledger.h"

namespace mind::server {

class EventPump : public std::enable_shared_from_this<EventPump> {
 public:
  // Called on the loop.
  class Sink {
   public:
    virtual ~Sink() = default;
    // Wrote follows.
    virtual void Write(const JobEventPtr& event) = 0;
    virtual void Finish(const absl::Status& status) = 0;
  };

  // All must outlive it.
  static std::shared_ptr<EventPump> Create(Generation& generation, const Post& post, Sink& sink) {
    return std::shared_ptr<EventPump>(new EventPump(generation, post, sink));
  }

  // One of these comes first.
  // A new job, tied to this call; the call ends as the job does.
  void Generate(Submission submission, const Caller& caller, const CallTimes& call);
  // A job that is there, from after a sequence number on; the call ends with OK when the job has ended.
  void Watch(const std::string& job_id, const WatchStart& start, const Caller& caller);
  // The call is none.
  void Refuse(const absl::Status& status) { End(status); }

  // The event has been taken; not `ok`: the caller is gone.
  void Wrote(bool ok);
  void CallerLeft();

 private:
  enum class State {
    kOpen,      // nothing is being written
    kWriting,   // the sink has an event
    kEnding,    // the sink has an event; when it is done with that, the call is finished with end_
    kFinished,  // nothing more may be started
  };

  EventPump(Generation& generation, const Post& post, Sink& sink)
      : generation_(generation), post_(post), sink_(sink) {}

  bool ended() const { return state_ == State::kEnding || state_ == State::kFinished; }
  void Begin(const std::string& job_id, const WatchStart& start, const Caller& caller);
  void Pump();
  void End(const absl::Status& status);
  // Lets go of the job, once.
  void Release();

  Generation& generation_;
  const Post& post_;
  Sink& sink_;
  State state_ = State::kOpen;
  std::optional<CallTimes> tied_;  // set where the job is tied to the call: what to say when that leaves it
  std::string job_id_;             // empty: holds none
  std::optional<WatchId> watch_;
  absl::Status job_status_;  // how the call ends when the job has
  absl::Status end_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_EVENT_PUMP_H_
