#include "server/api/generation_api.h"

#include <chrono>
#include <memory>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "server/api/credentials.h"

namespace mind::server {
namespace {

// An answer that is put into the response, or an error that is given on; then the call is done.
template <typename T, typename Done>
Generation::Answer<T> Give(T* into, Done done) {
  return [into, done](absl::StatusOr<T> value) {
    if (!value.ok()) return done(value.status());
    *into = *std::move(value);
    done(absl::OkStatus());
  };
}

// Null: the bytes are none.
template <typename Request>
std::shared_ptr<Request> Parse(grpc::ByteBuffer bytes) {
  auto request = std::make_shared<Request>();
  return grpc::SerializationTraits<Request>::Deserialize(&bytes, request.get()).ok() ? request : nullptr;
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                  : absl::FromChrono(deadline);
}

}  // namespace

template <typename Request, typename Response>
void GenerationApi::OnLoop(const std::string& method,
                           std::function<void(const Caller&, const Request&, Response&, const Done&)> work) {
  Unary<Request, Response>(
      method, [this, work = std::move(work)](const Caller& caller, const Request& request, Response& response,
                                             const Done& done) {
        context_.post([&work, &caller, &request, &response, done] { work(caller, request, response, done); });
      });
}

void GenerationApi::Stream(
    const std::string& method,
    std::function<absl::StatusOr<EventStream::Begin>(const Caller&, const CallTimes&, grpc::ByteBuffer)>
        understand) {
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
  OnHeader<grpc::ByteBuffer, grpc::ByteBuffer>(
      method,
      [this, method, understand = std::move(understand)](grpc::CallbackServerContext* context) -> Reactor* {
        const CallTimes times{.started = absl::Now(), .deadline = DeadlineOf(*context)};
        const Credentials credentials = CredentialsOf(*context);
        const absl::StatusOr<Caller> caller = authority().Admit(credentials, NameOf(method));
        if (!caller.ok()) {
          return RefusedStream<grpc::ByteBuffer, grpc::ByteBuffer>::Start(ToGrpc(caller.status()));
        }
        return EventStream::Start(context_, method, StandingCall(authority(), credentials, NameOf(method)),
                                  [&understand, caller = *caller, times](grpc::ByteBuffer bytes) {
                                    return understand(caller, times, std::move(bytes));
                                  });
      });
}

GenerationApi::GenerationApi(Post post, Generation& generation, ServerMetrics& metrics, Authority& authority)
    : GatedService(*v1::CreateJobRequest::descriptor()->file()->FindServiceByName("GenerationService"),
                   authority),
      context_{std::move(post), generation, metrics, authority} {
  using Begin = absl::StatusOr<EventStream::Begin>;
  Stream("GenerateImage", [](const Caller& caller, const CallTimes& times, grpc::ByteBuffer bytes) -> Begin {
    const auto request = Parse<v1::GenerateImageRequest>(std::move(bytes));
    if (request == nullptr) return NotARequest();
    const auto submission =
        std::make_shared<Submission>(PrepareSubmission(std::move(*request->mutable_job())));
    return [caller, submission, times](EventPump& pump) {
      pump.Generate(std::move(*submission), caller, times);
    };
  });
  Stream("WatchJob", [](const Caller& caller, const CallTimes&, grpc::ByteBuffer bytes) -> Begin {
    const auto request = Parse<v1::WatchJobRequest>(std::move(bytes));
    if (request == nullptr) return NotARequest();
    return [caller, request](EventPump& pump) {
      pump.Watch(request->id(), {.after_sequence = request->after_sequence()}, caller);
    };
  });
  Unary<v1::CreateJobRequest, v1::CreateJobResponse>(
      "CreateJob", [this](const Caller& caller, v1::CreateJobRequest& request,
                          v1::CreateJobResponse& response, const Done& done) {
        // What takes time in proportion to its pictures is not the loop's.
        const auto submission =
            std::make_shared<Submission>(PrepareSubmission(std::move(*request.mutable_job())));
        context_.post([this, &caller, &request, &response, done, submission] {
          if (request.validate_only())
            return this->generation().Check(std::move(*submission), caller, Give(&response, done));
          this->generation().Submit(std::move(*submission), caller, std::nullopt,
                                    Give(response.mutable_job(), done));
        });
      });
  OnLoop<v1::GetJobRequest, v1::GetJobResponse>(
      "GetJob", [this](const Caller& caller, const auto& request, auto& response, const Done& done) {
        this->generation().Get(request.id(), caller, Give(response.mutable_job(), done));
      });
  OnLoop<v1::ListJobsRequest, v1::ListJobsResponse>(
      "ListJobs", [this](const Caller& caller, const auto& request, auto& response, const Done& done) {
        this->generation().List(request, caller, Give(&response, done));
      });
  OnLoop<v1::CancelJobRequest, v1::CancelJobResponse>(
      "CancelJob", [this](const Caller& caller, const auto& request, auto& response, const Done& done) {
        this->generation().Cancel(request.id(), caller, CancelledByRequest(request.id()),
                                  Give(response.mutable_job(), done));
      });
  OnLoop<v1::DeleteJobRequest, v1::DeleteJobResponse>(
      "DeleteJob", [this](const Caller& caller, const auto& request, auto& response, const Done& done) {
        this->generation().Delete(request.id(), caller, CancelledByRequest(request.id()),
                                  Give(response.mutable_job(), done));
      });
  OnLoop<v1::GetImageRequest, v1::GetImageResponse>(
      "GetImage", [this](const Caller& caller, const auto& request, auto& response, const Done& done) {
        this->generation().GetImage(request.id(), request.image_index(), caller, Give(&response, done));
      });
  OnLoop<v1::ListModelsRequest, v1::ListModelsResponse>(
      "ListModels", [this](const Caller&, const auto&, auto& response, const Done& done) {
        this->generation().ListModels(Give(&response, done));
      });
  OnLoop<v1::GetModelRequest, v1::GetModelResponse>(
      "GetModel", [this](const Caller&, const auto& request, auto& response, const Done& done) {
        this->generation().GetModel(request.name(), Give(response.mutable_model(), done));
      });
  OnLoop<v1::ListSamplersRequest, v1::ListSamplersResponse>(
      "ListSamplers", [this](const Caller&, const auto& request, auto& response, const Done& done) {
        this->generation().ListSamplers(request.model(), Give(&response, done));
      });
  OnLoop<v1::ListWorkersRequest, v1::ListWorkersResponse>(
      "ListWorkers", [this](const Caller&, const auto&, auto& response, const Done& done) {
        this->generation().ListWorkers(Give(&response, done));
      });
  OnLoop<v1::ListUsageRequest, v1::ListUsageResponse>(
      "ListUsage", [this](const Caller&, const auto& request, auto& response, const Done& done) {
        this->generation().ListUsage(request, Give(&response, done));
      });
}

}  // namespace mind::server
