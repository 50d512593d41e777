// What stands behind the faces of a server process: alone with its store, or as one front of several.
#ifndef MIND_SERVER_PROCESS_CORE_H_
#define MIND_SERVER_PROCESS_CORE_H_

#include <grpcpp/grpcpp.h>

#include <functional>

#include "server/generation/generation.h"

namespace mind::server {

// On the server's loop where nothing else is said. Outlives the faces.
class Core {
 public:
  virtual ~Core() = default;

  // From any thread.
  virtual Generation& generation() = 0;
  // The gRPC service that workers dial.
  virtual grpc::Service& workers() = 0;

  virtual void OnTick() = 0;
  // Called whenever it has changed whether new jobs are taken; at once with what it is now.
  virtual void OnServingChange(std::function<void(bool)> tell) = 0;

  // --- How it ends, in this order.

  // What has begun may end, for as long as the process has.
  virtual void WindDown() = 0;
  // Whether it is worth waiting for.
  virtual bool busy() const = 0;
  // All calls end.
  virtual void CloseCalls() = 0;
  // Not on the loop, which runs: nothing of it is under way elsewhere when this returns.
  virtual void Join() = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_CORE_H_
