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
struct JobStartedAction {  // an attempt has begun its first picture
  v1::Job job;
  std::string worker;
  uint32_t attempt = 0;  // the job's newest may be another
  uint32_t resumed_steps = 0;
};
struct JobRequeuedAction {  // an attempt has ended, and pictures of it wait again
  v1::Job job;              // RUNNING if others of its pictures still do
  std::string worker;       // that had them
  std::string reason;       // for people
};
struct JobEndedAction {  // state is final
  v1::Job job;
};
using Action = std::variant<SendAssign, SendCancel, DropWorker, WorkerStuckAction, JobStartedAction,
                            JobRequeuedAction, JobEndedAction>;
using Actions = std::vector<Action>;

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_ACTIONS_H_
