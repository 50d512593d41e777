// The stream to one worker, as the service uses it.
#ifndef MIND_SERVER_GENERATION_WORKER_SESSION_H_
#define MIND_SERVER_GENERATION_WORKER_SESSION_H_

#include "absl/status/status.h"
#include "mind/v1/worker.pb.h"

namespace mind::server {

// Called on the loop; must not block.
class WorkerSession {
 public:
  virtual ~WorkerSession() = default;
  virtual void Send(v1::ConnectResponse message) = 0;
  // Ends the stream with this status.
  virtual void Close(const absl::Status& status) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_WORKER_SESSION_H_
