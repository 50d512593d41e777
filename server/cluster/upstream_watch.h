// One stream of a job's events from the leader to a front.
#ifndef MIND_SERVER_CLUSTER_UPSTREAM_WATCH_H_
#define MIND_SERVER_CLUSTER_UPSTREAM_WATCH_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/cluster/in_flight.h"
#include "server/cluster/leader_link.h"
#include "server/generation/ledger.h"
#include "server/trust/caller.h"

namespace mind::server {

// The next event is read when the loop has taken the one before. Keeps itself alive until gRPC has let go of
// it.
class UpstreamWatch final : public grpc::ClientReadReactor<internal::v1::WatchResponse>,
                            public std::enable_shared_from_this<UpstreamWatch> {
 public:
  // Called on the loop, until Stop.
  struct Listener {
    std::function<void(v1::JobEvent)> event;
    std::function<void(const absl::Status&)> ended;
  };

  // From the loop.
  static std::shared_ptr<UpstreamWatch> Start(const LeaderLinkPtr& leader, const Caller& caller,
                                              internal::v1::WatchRequest request, const Post& post,
                                              InFlight& in_flight, Listener listener);
  // On the loop. Nothing is told any more.
  void Stop();

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  UpstreamWatch(LeaderLinkPtr leader, internal::v1::WatchRequest request, Post post, InFlight& in_flight,
                Listener listener);
  void Take(v1::JobEvent event);

  const LeaderLinkPtr leader_;
  const internal::v1::WatchRequest request_;
  const Post post_;
  std::shared_ptr<void> token_;
  const Listener listener_;  // the loop's, as the next
  bool stopped_ = false;
  grpc::ClientContext context_;
  internal::v1::WatchResponse response_;  // gRPC's, while it reads
  std::shared_ptr<UpstreamWatch> self_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_UPSTREAM_WATCH_H_
