// The gRPC face of the generation service: reactors that post to the loop and send what comes back. No
// decisions here.
#ifndef MIND_SERVER_API_GENERATION_API_H_
#define MIND_SERVER_API_GENERATION_API_H_

#include <grpcpp/grpcpp.h>

#include "mind/v1/generation.grpc.pb.h"
#include "server/dispatch/loop.h"
#include "server/generation/service.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). `loop` and `service` must outlive the gRPC server it is registered
// with.
class GenerationApi : public v1::GenerationService::CallbackService {
 public:
  GenerationApi(Loop& loop, GenerationService& service) : loop_(loop), service_(service) {}

  grpc::ServerWriteReactor<v1::GenerateImageResponse>* GenerateImage(
      grpc::CallbackServerContext* context, const v1::GenerateImageRequest* request) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext* context,
                                                           const v1::WatchJobRequest* request) override;

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context,
                                      const v1::CreateJobRequest* request,
                                      v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* ListSamplers(grpc::CallbackServerContext* context,
                                         const v1::ListSamplersRequest* request,
                                         v1::ListSamplersResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;

 private:
  // Finds out who calls, runs `work` on the loop, and finishes the call with its status.
  grpc::ServerUnaryReactor* OnLoop(grpc::CallbackServerContext* context,
                                   std::function<absl::Status(const Caller&)> work);

  Loop& loop_;
  GenerationService& service_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_GENERATION_API_H_
