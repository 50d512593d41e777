// What the dispatcher decides: the shell around it has to do these, in order.
#ifndef MIND_SERVER_DISPATCH_ACTIONS_H_
#define MIND_SERVER_DISPATCH_ACTIONS_H_

#include <string>
#include <variant>
#include <vector>

#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"

namespace mind::server {

struct SendAssign {
  std::string worker;
  v1::Assign assign;
};
struct SendCancel {
  std::string worker;
  v1::CancelAttempt cancel;
};
struct DropWorker {  // its lease ran out: close its stream
  std::string worker;
};
struct WorkerStuckAction {  // it gets nothing until it answers for the picture that hangs
  std::string worker;
  v1::ImageRef image;
};
struct JobStartedAction {
  v1::Job job;
  std::string worker;
  uint32_t resumed_steps = 0;
};
struct JobRequeuedAction {
  v1::Job job;
  std::string worker;  // that had it
  std::string reason;  // for people
};
struct JobEndedAction {  // state is final
  v1::Job job;
};
using Action = std::variant<SendAssign, SendCancel, DropWorker, WorkerStuckAction, JobStartedAction,
                            JobRequeuedAction, JobEndedAction>;
using Actions = std::vector<Action>;

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_ACTIONS_H_
