// The gRPC face for clients: reactors that post to the loop and send what comes back. No decisions here.
#ifndef MIND_SERVER_API_GENERATION_API_H_
#define MIND_SERVER_API_GENERATION_API_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <utility>

#include "mind/v1/generation.grpc.pb.h"
#include "server/api/event_stream.h"
#include "server/generation/generation.h"
#include "server/generation/metrics.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class GenerationApi : public v1::GenerationService::WithRawCallbackMethod_GenerateImage<
                          v1::GenerationService::WithRawCallbackMethod_WatchJob<
                              v1::GenerationService::WithRawCallbackMethod_CreateJob<
                                  v1::GenerationService::CallbackService>>> {
 public:
  // `post`: to the loop that `generation` lives on. `authority`: who may call what.
  GenerationApi(Post post, Generation& generation, ServerMetrics& metrics, Authority& authority)
      : context_{std::move(post), generation, metrics, authority} {}

  // Streams of events: raw, see EventStream.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateImage(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* bytes) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* bytes) override;

  // Raw, since it may bring many pictures: of a caller who is refused they are not even parsed.
  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
                                      grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      v1::DeleteJobResponse* response) override;
  grpc::ServerUnaryReactor* GetImage(grpc::CallbackServerContext* context, const v1::GetImageRequest* request,
                                     v1::GetImageResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* ListSamplers(grpc::CallbackServerContext* context,
                                         const v1::ListSamplersRequest* request,
                                         v1::ListSamplersResponse* response) override;
  grpc::ServerUnaryReactor* ListUsage(grpc::CallbackServerContext* context,
                                      const v1::ListUsageRequest* request,
                                      v1::ListUsageResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;

 private:
  // How a call ends.
  using Finish = std::function<void(const absl::Status&)>;

  // Finds out who calls and runs `work` on the loop, which finishes the call now or later. Before that, and
  // if the caller may call at all, `prepare` does on this thread what the loop has no time for; it may
  // refuse.
  grpc::ServerUnaryReactor* OnLoop(grpc::CallbackServerContext* context, const char* method,
                                   std::function<void(const Caller&, const Finish&)> work,
                                   const std::function<absl::Status()>& prepare = absl::OkStatus);
  // A stream that is none.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Refuse(const std::string& method, const absl::Status& status);
  Generation& generation() const { return context_.generation; }

  EventStreamContext context_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_GENERATION_API_H_
