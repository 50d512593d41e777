// What the faces over HTTP share: how they reach the server's loop, who calls, and how a call follows a job.
#ifndef MIND_SERVER_HTTP_FACE_H_
#define MIND_SERVER_HTTP_FACE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/generation/event_pump.h"
#include "server/generation/generation.h"
#include "server/http/exchange.h"
#include "server/trust/standing_call.h"

namespace mind::server {

// Outlives the faces, and so must what it refers to.
struct FaceContext {
  Post post;  // to the loop
  Generation& generation;
  const Authority& authority;
  // How callers reach this server, for links to it: "https://pictures.example". Empty: by the host they
  // named.
  std::string url = {};
};

// Where callers reach the server, without a slash at its end. Empty if that is not known: links then begin
// with their path.
std::string BaseUrl(const FaceContext& context, const HttpRequest& request);

// Runs `work` on the loop with who calls.
void OnLoop(const FaceContext& context, const ExchangePtr& exchange, std::function<void(const Caller&)> work);

// A call that follows one job to its end, while its caller is there.
class JobCall : public EventPump::Sink, public std::enable_shared_from_this<JobCall> {
 public:
  // What becomes of the events. Called on the loop.
  class Listener {
   public:
    virtual ~Listener() = default;
    // `taken` is to be called, from any thread, when the next may come.
    virtual void OnEvent(const JobEventPtr& event, std::function<void()> taken) = 0;
    // Nothing comes after it. OK: the job has ended, well or not as the call asked to know.
    virtual void OnEnd(const absl::Status& status) = 0;
  };
  using Begin = std::function<void(EventPump&)>;

  // From any thread. `begin` is run on the loop. The call ends, and with it what is tied to it, when the
  // caller goes.
  static void Start(const FaceContext& context, const ExchangePtr& exchange,
                    std::unique_ptr<Listener> listener, Begin begin);

 private:
  JobCall(const FaceContext& context, const ExchangePtr& exchange, std::unique_ptr<Listener> listener);

  void Write(const JobEventPtr& event) override;
  void Finish(const absl::Status& status) override;

  const FaceContext& context_;
  // The loop's.
  std::unique_ptr<Listener> listener_;
  const std::shared_ptr<EventPump> pump_;
  StandingCall standing_;
  std::shared_ptr<JobCall> self_;  // until it is finished
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_FACE_H_
