// Workers' streams, passed on to the leader as they are: workers dial any front.
//
// Bytes go both ways unparsed, one message at a time in each direction: the next is read from one side when
// the other has taken the one before, so that who is slow slows who talks to it, and no message waits here.
#ifndef MIND_SERVER_CLUSTER_WORKER_RELAY_H_
#define MIND_SERVER_CLUSTER_WORKER_RELAY_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "mind/v1/worker.grpc.pb.h"
#include "server/api/worker_identity.h"
#include "server/cluster/in_flight.h"
#include "server/cluster/leader_link.h"
#include "server/generation/metrics.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// Thread-safe. Must outlive the gRPC server it is registered with.
class WorkerRelay : public v1::WorkerService::WithRawCallbackMethod_Connect<v1::WorkerService::Service> {
 public:
  // `authority`: who may be a worker, where no certificate says so. `identify`: what is found is told to the
  // leader; null: workers are who they say.
  WorkerRelay(ServerMetrics& metrics, Authority& authority, IdentifyWorker identify = nullptr)
      : metrics_(metrics), authority_(authority), identify_(std::move(identify)) {}

  // From now on streams go there. Those that went elsewhere end with UNAVAILABLE: their workers dial again.
  // While nobody leads all do.
  void PointTo(LeaderLinkPtr leader) ABSL_LOCKS_EXCLUDED(mutex_);

  // Until no stream is left.
  void Join() { in_flight_.Wait(); }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Connect(
      grpc::CallbackServerContext* context) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Stream;

  void Forget(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_);

  ServerMetrics& metrics_;
  Authority& authority_;
  const IdentifyWorker identify_;
  absl::Mutex mutex_;
  LeaderLinkPtr leader_ ABSL_GUARDED_BY(mutex_);
  std::map<const Stream*, std::weak_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  InFlight in_flight_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_WORKER_RELAY_H_
