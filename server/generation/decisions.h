// Carries out what the dispatcher decides: one function a kind of action.
#ifndef MIND_SERVER_GENERATION_DECISIONS_H_
#define MIND_SERVER_GENERATION_DECISIONS_H_

#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "server/dispatch/actions.h"
#include "server/generation/service_state.h"

namespace mind::server {

// All on the server's loop; not thread-safe.
class Decisions {
 public:
  // `state` must outlive it.
  explicit Decisions(ServiceState& state) : state_(state) {}

  void CarryOut(const Actions& actions);

  // A picture that a worker is making can be seen.
  void ShowPreview(v1::ImagePreview preview);

 private:
  void Do(const SendAssign& send);
  // With places for its pictures, where there are any and the worker knows what to do with them.
  v1::Assign WithUploads(const std::string& worker, v1::Assign assign, const v1::ImageSpec& spec) const;
  // Of an assignment that did not leave: what its worker would say of each of its pictures. Empty: that it
  // has stopped making it.
  void AnswerFor(const std::string& worker, const v1::Assign& assign,
                 const std::optional<absl::Status>& failed);
  void Do(const SendCancel& send);
  void Do(const DropWorker& drop);
  void Do(const WorkerStuckAction& stuck);
  void Do(const JobStartedAction& started);
  void Do(const JobRequeuedAction& requeued);
  void Do(const JobEndedAction& ended);
  // The job's end is durable.
  void TellEnded(const v1::Job& job, uint64_t sequence, double worker_seconds);

  ServiceState& state_;
  std::set<std::string> previewed_;  // running jobs that have shown a preview
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_DECISIONS_H_
