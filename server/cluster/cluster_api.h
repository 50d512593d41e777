// What fronts ask of the one that leads, beside what clients may ask it too.
#ifndef MIND_SERVER_CLUSTER_CLUSTER_API_H_
#define MIND_SERVER_CLUSTER_CLUSTER_API_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "mind/internal/v1/cluster.grpc.pb.h"
#include "server/api/event_stream.h"
#include "server/api/late_reading.h"
#include "server/cluster/front_authority.h"
#include "server/cluster/leader_seat.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class ClusterApi : public LateReading<internal::v1::ClusterService::CallbackService> {
 public:
  // `announced`: somebody says that a term has begun; run on the loop.
  ClusterApi(Post post, LeaderSeat& seat, ServerMetrics& metrics, FrontAuthority& authority,
             std::function<void(uint64_t term, const std::string& leader)> announced);

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context,
                                   const internal::v1::SubmitRequest* request,
                                   internal::v1::SubmitResponse* response) override;
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const internal::v1::LeaveRequest* request,
                                  internal::v1::LeaveResponse* response) override;
  grpc::ServerUnaryReactor* ListSigningSecrets(grpc::CallbackServerContext* context,
                                               const internal::v1::ListSigningSecretsRequest* request,
                                               internal::v1::ListSigningSecretsResponse* response) override;
  grpc::ServerUnaryReactor* ListWork(grpc::CallbackServerContext* context,
                                     const internal::v1::ListWorkRequest* request,
                                     internal::v1::ListWorkResponse* response) override;
  grpc::ServerUnaryReactor* Announce(grpc::CallbackServerContext* context,
                                     const internal::v1::AnnounceRequest* request,
                                     internal::v1::AnnounceResponse* response) override;

 private:
  using WatchReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
  WatchReactor* BeginWatch(grpc::CallbackServerContext* context);

  EventStreamContext context_;
  LeaderSeat& seat_;
  const std::function<void(uint64_t, const std::string&)> announced_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_CLUSTER_API_H_
