// Where workers' streams report, as the face for workers uses it.
#ifndef MIND_SERVER_GENERATION_RECEPTION_H_
#define MIND_SERVER_GENERATION_RECEPTION_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "mind/v1/worker.pb.h"
#include "server/generation/worker_session.h"

namespace mind::server {

// Called on the server's loop.
class Reception {
 public:
  virtual ~Reception() = default;

  // The first message of a stream. On error the stream is to be closed with it.
  virtual absl::Status OnRegister(const std::shared_ptr<WorkerSession>& session,
                                  const v1::Register& registration) = 0;
  virtual void OnMessage(const WorkerSession* session, v1::ConnectRequest message) = 0;
  virtual void OnClosed(const WorkerSession* session) = 0;
  // Run when the worker may say more: at once, unless so many results wait to be written that they are
  // enough.
  virtual void WhenReadable(const WorkerSession* session, std::function<void()> then) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RECEPTION_H_
