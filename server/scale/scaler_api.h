// The gRPC face for KEDA: how much work there is for a model's workers (externalscaler.proto).
#ifndef MIND_SERVER_SCALE_SCALER_API_H_
#define MIND_SERVER_SCALE_SCALER_API_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "externalscaler/externalscaler.grpc.pb.h"
#include "server/generation/metrics.h"
#include "server/scale/activity_stream.h"
#include "server/scale/outstanding_work.h"
#include "server/scale/scale_target.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// Thread-safe where nothing else is said (called by gRPC's threads). It and what it refers to must outlive
// the gRPC server it is registered with.
class ScalerApi : public externalscaler::ExternalScaler::CallbackService {
 public:
  ScalerApi(Post post, Generation& generation, ServerMetrics& metrics, Authority& authority,
            const OutstandingWork::Options& options = {})
      : post_(std::move(post)),
        metrics_(metrics),
        authority_(authority),
        steady_clock_(options.steady_clock),
        work_(options, generation) {}

  grpc::ServerUnaryReactor* IsActive(grpc::CallbackServerContext* context,
                                     const externalscaler::ScaledObjectRef* object,
                                     externalscaler::IsActiveResponse* response) override;
  grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* StreamIsActive(
      grpc::CallbackServerContext* context, const externalscaler::ScaledObjectRef* object) override;
  grpc::ServerUnaryReactor* GetMetricSpec(grpc::CallbackServerContext* context,
                                          const externalscaler::ScaledObjectRef* object,
                                          externalscaler::GetMetricSpecResponse* response) override;
  grpc::ServerUnaryReactor* GetMetrics(grpc::CallbackServerContext* context,
                                       const externalscaler::GetMetricsRequest* request,
                                       externalscaler::GetMetricsResponse* response) override;

  // --- On the loop.
  void OnTick();
  // Ends streams, of now and of later: whoever follows is to follow elsewhere.
  void Close();

 private:
  // Whether it is let in, and what it is for.
  absl::StatusOr<ScaleTarget> TargetOf(const grpc::CallbackServerContext& context, const std::string& method,
                                       const externalscaler::ScaledObjectRef& object);
  grpc::ServerUnaryReactor* Measure(grpc::CallbackServerContext* context,
                                    const absl::StatusOr<ScaleTarget>& target,
                                    std::function<void(const Demand&)> tell);

  const Post post_;
  ServerMetrics& metrics_;
  Authority& authority_;
  const std::function<absl::Duration()> steady_clock_;
  // The loop's.
  OutstandingWork work_;
  std::set<std::shared_ptr<ActivityStream>> streams_;
  absl::Duration next_look_ = -absl::InfiniteDuration();
  bool closed_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_SCALE_SCALER_API_H_
