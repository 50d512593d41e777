#include "server/api/generation_api.h"

#include <chrono>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "server/api/event_stream.h"

namespace mind::server {
namespace {

// Copies the value into the response, or gives the error on.
template <typename T>
absl::Status Give(absl::StatusOr<T> value, T* into) {
  if (!value.ok()) return value.status();
  *into = *std::move(value);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* GenerationApi::OnLoop(grpc::CallbackServerContext* context,
                                                std::function<absl::Status(const Caller&)> work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Caller> caller = CallerOf(*context);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  loop_.Post([reactor, caller = *std::move(caller), work = std::move(work)] {
    reactor->Finish(ToGrpc(work(caller)));
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::GenerateImageResponse>* GenerationApi::GenerateImage(
    grpc::CallbackServerContext* context, const v1::GenerateImageRequest* request) {
  const auto deadline = context->deadline();
  const CallTimes times{.started = absl::Now(),
                        .deadline = deadline == std::chrono::system_clock::time_point::max()
                                        ? absl::InfiniteFuture()
                                        : absl::FromChrono(deadline)};
  // The request is gRPC's and lives as long as the call.
  return EventReactor<v1::GenerateImageResponse>::Start(
      loop_, service_, *context, {.method = "GenerateImage", .tied = times, .status_of_job = true},
      [this, request, times](const Caller& caller) -> absl::StatusOr<EventStream::Subject> {
        const absl::StatusOr<v1::Job> job = service_.SubmitTied(request->job(), caller, times);
        if (!job.ok()) return job.status();
        return EventStream::Subject{job->id(), 0};
      });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* GenerationApi::WatchJob(grpc::CallbackServerContext* context,
                                                                        const v1::WatchJobRequest* request) {
  const EventStream::Subject subject{request->id(), request->after_sequence()};
  return EventReactor<v1::WatchJobResponse>::Start(
      loop_, service_, *context, {.method = "WatchJob"},
      [subject](const Caller&) -> absl::StatusOr<EventStream::Subject> { return subject; });
}

grpc::ServerUnaryReactor* GenerationApi::CreateJob(grpc::CallbackServerContext* context,
                                                   const v1::CreateJobRequest* request,
                                                   v1::CreateJobResponse* response) {
  return OnLoop(context, [=, this](const Caller& caller) {
    return Give(service_.Submit(request->job(), caller), response->mutable_job());
  });
}

grpc::ServerUnaryReactor* GenerationApi::GetJob(grpc::CallbackServerContext* context,
                                                const v1::GetJobRequest* request,
                                                v1::GetJobResponse* response) {
  return OnLoop(context, [=, this](const Caller& caller) {
    return Give(service_.Get(request->id(), caller), response->mutable_job());
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListJobs(grpc::CallbackServerContext* context,
                                                  const v1::ListJobsRequest* request,
                                                  v1::ListJobsResponse* response) {
  return OnLoop(context,
                [=, this](const Caller& caller) { return Give(service_.List(*request, caller), response); });
}

grpc::ServerUnaryReactor* GenerationApi::CancelJob(grpc::CallbackServerContext* context,
                                                   const v1::CancelJobRequest* request,
                                                   v1::CancelJobResponse* response) {
  return OnLoop(context, [=, this](const Caller& caller) {
    const absl::Status reason = MakeError(absl::StatusCode::kCancelled, "cancelled by request", "CANCELLED",
                                          {{"job", Printable(request->id())}});
    return Give(service_.Cancel(request->id(), caller, reason), response->mutable_job());
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListModels(grpc::CallbackServerContext* context,
                                                    const v1::ListModelsRequest*,
                                                    v1::ListModelsResponse* response) {
  return OnLoop(context, [=, this](const Caller&) {
    *response = service_.ListModels();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* GenerationApi::GetModel(grpc::CallbackServerContext* context,
                                                  const v1::GetModelRequest* request,
                                                  v1::GetModelResponse* response) {
  return OnLoop(context, [=, this](const Caller&) {
    return Give(service_.GetModel(request->name()), response->mutable_model());
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListSamplers(grpc::CallbackServerContext* context,
                                                      const v1::ListSamplersRequest* request,
                                                      v1::ListSamplersResponse* response) {
  return OnLoop(context,
                [=, this](const Caller&) { return Give(service_.ListSamplers(request->model()), response); });
}

grpc::ServerUnaryReactor* GenerationApi::ListWorkers(grpc::CallbackServerContext* context,
                                                     const v1::ListWorkersRequest*,
                                                     v1::ListWorkersResponse* response) {
  return OnLoop(context, [=, this](const Caller&) {
    *response = service_.ListWorkers();
    return absl::OkStatus();
  });
}

}  // namespace mind::server
