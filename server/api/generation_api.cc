#include "server/api/generation_api.h"

#include <chrono>
#include <memory>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "server/api/credentials.h"

namespace mind::server {
namespace {

// An answer that is put into the response, or an error that is given on; then the call is finished.
template <typename T, typename Finish>
Generation::Answer<T> Give(T* into, Finish finish) {
  return [into, finish](absl::StatusOr<T> value) {
    if (!value.ok()) return finish(value.status());
    *into = *std::move(value);
    finish(absl::OkStatus());
  };
}

// The response as bytes, if there is one; then the call is finished.
template <typename Response, typename Finish>
auto Written(std::shared_ptr<const Response> response, grpc::ByteBuffer* into, Finish finish) {
  return [response, into, finish](const absl::Status& status) {
    bool own_buffer = false;
    if (status.ok()) grpc::SerializationTraits<Response>::Serialize(*response, into, &own_buffer);
    finish(status);
  };
}

// Null: the bytes are none.
template <typename Request>
std::shared_ptr<Request> Parse(grpc::ByteBuffer bytes) {
  auto request = std::make_shared<Request>();
  return grpc::SerializationTraits<Request>::Deserialize(&bytes, request.get()).ok() ? request : nullptr;
}

// What gRPC says itself of calls that are not raw.
absl::Status NotARequest() {
  return absl::InternalError("the request cannot be parsed");
}

std::string GenerationMethod(const std::string& method) {
  return "mind.v1.GenerationService/" + method;
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                                  : absl::FromChrono(deadline);
}

}  // namespace

grpc::ServerUnaryReactor* GenerationApi::OnLoop(grpc::CallbackServerContext* context, const char* method,
                                                std::function<void(const Caller&, const Finish&)> work,
                                                const std::function<absl::Status()>& prepare) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Caller> caller = context_.authority.Admit(CredentialsOf(*context), GenerationMethod(method));
  if (const absl::Status refused = caller.ok() ? prepare() : caller.status(); !refused.ok()) {
    reactor->Finish(ToGrpc(refused));
    return reactor;
  }
  context_.post([reactor, caller = *std::move(caller), work = std::move(work)] {
    work(caller, [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  });
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerationApi::GenerateImage(grpc::CallbackServerContext* context,
                                                                         const grpc::ByteBuffer* bytes) {
  const CallTimes times{.started = absl::Now(), .deadline = DeadlineOf(*context)};
  const Credentials credentials = CredentialsOf(*context);
  const absl::StatusOr<Caller> caller =
      context_.authority.Admit(credentials, GenerationMethod("GenerateImage"));
  if (!caller.ok()) return Refuse("GenerateImage", caller.status());
  const auto request = Parse<v1::GenerateImageRequest>(*bytes);
  if (request == nullptr) return Refuse("GenerateImage", NotARequest());
  const auto submission = std::make_shared<Submission>(PrepareSubmission(std::move(*request->mutable_job())));
  return EventStream::Start(context_, "GenerateImage",
                            StandingCall(context_.authority, credentials, GenerationMethod("GenerateImage")),
                            [caller = *caller, submission, times](EventPump& pump) {
                              pump.Generate(std::move(*submission), caller, times);
                            });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerationApi::WatchJob(grpc::CallbackServerContext* context,
                                                                    const grpc::ByteBuffer* bytes) {
  const Credentials credentials = CredentialsOf(*context);
  const absl::StatusOr<Caller> caller = context_.authority.Admit(credentials, GenerationMethod("WatchJob"));
  if (!caller.ok()) return Refuse("WatchJob", caller.status());
  const auto request = Parse<v1::WatchJobRequest>(*bytes);
  if (request == nullptr) return Refuse("WatchJob", NotARequest());
  return EventStream::Start(
      context_, "WatchJob", StandingCall(context_.authority, credentials, GenerationMethod("WatchJob")),
      [caller = *caller, request](EventPump& pump) {
        pump.Watch(request->id(), {.after_sequence = request->after_sequence()}, caller);
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerationApi::Refuse(const std::string& method,
                                                                  const absl::Status& status) {
  return EventStream::Start(context_, method, std::nullopt,
                            [status](EventPump& pump) { pump.Refuse(status); });
}

grpc::ServerUnaryReactor* GenerationApi::CreateJob(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* bytes, grpc::ByteBuffer* answer) {
  struct Call {
    Submission submission;
    bool check = false;
  };
  const auto call = std::make_shared<Call>();
  const auto prepare = [call, bytes] {
    const auto request = Parse<v1::CreateJobRequest>(*bytes);
    if (request == nullptr) return NotARequest();
    *call = {PrepareSubmission(std::move(*request->mutable_job())), request->validate_only()};
    return absl::OkStatus();
  };
  const auto work = [this, call, answer](const Caller& caller, const Finish& finish) {
    const auto response = std::make_shared<v1::CreateJobResponse>();
    const auto written = Written<v1::CreateJobResponse>(response, answer, finish);
    if (call->check)
      return generation().Check(std::move(call->submission), caller, Give(response.get(), written));
    generation().Submit(std::move(call->submission), caller, std::nullopt,
                        Give(response->mutable_job(), written));
  };
  return OnLoop(context, "CreateJob", work, prepare);
}

grpc::ServerUnaryReactor* GenerationApi::GetJob(grpc::CallbackServerContext* context,
                                                const v1::GetJobRequest* request,
                                                v1::GetJobResponse* response) {
  return OnLoop(context, "GetJob", [=, this](const Caller& caller, const Finish& finish) {
    generation().Get(request->id(), caller, Give(response->mutable_job(), finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListJobs(grpc::CallbackServerContext* context,
                                                  const v1::ListJobsRequest* request,
                                                  v1::ListJobsResponse* response) {
  return OnLoop(context, "ListJobs", [=, this](const Caller& caller, const Finish& finish) {
    generation().List(*request, caller, Give(response, finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::CancelJob(grpc::CallbackServerContext* context,
                                                   const v1::CancelJobRequest* request,
                                                   v1::CancelJobResponse* response) {
  return OnLoop(context, "CancelJob", [=, this](const Caller& caller, const Finish& finish) {
    generation().Cancel(request->id(), caller, CancelledByRequest(request->id()),
                        Give(response->mutable_job(), finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::DeleteJob(grpc::CallbackServerContext* context,
                                                   const v1::DeleteJobRequest* request,
                                                   v1::DeleteJobResponse* response) {
  return OnLoop(context, "DeleteJob", [=, this](const Caller& caller, const Finish& finish) {
    generation().Delete(request->id(), caller, CancelledByRequest(request->id()),
                        Give(response->mutable_job(), finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::GetImage(grpc::CallbackServerContext* context,
                                                  const v1::GetImageRequest* request,
                                                  v1::GetImageResponse* response) {
  return OnLoop(context, "GetImage", [=, this](const Caller& caller, const Finish& finish) {
    generation().GetImage(request->id(), request->image_index(), caller, Give(response, finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListModels(grpc::CallbackServerContext* context,
                                                    const v1::ListModelsRequest*,
                                                    v1::ListModelsResponse* response) {
  return OnLoop(context, "ListModels", [=, this](const Caller&, const Finish& finish) {
    generation().ListModels(Give(response, finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::GetModel(grpc::CallbackServerContext* context,
                                                  const v1::GetModelRequest* request,
                                                  v1::GetModelResponse* response) {
  return OnLoop(context, "GetModel", [=, this](const Caller&, const Finish& finish) {
    generation().GetModel(request->name(), Give(response->mutable_model(), finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListSamplers(grpc::CallbackServerContext* context,
                                                      const v1::ListSamplersRequest* request,
                                                      v1::ListSamplersResponse* response) {
  return OnLoop(context, "ListSamplers", [=, this](const Caller&, const Finish& finish) {
    generation().ListSamplers(request->model(), Give(response, finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListWorkers(grpc::CallbackServerContext* context,
                                                     const v1::ListWorkersRequest*,
                                                     v1::ListWorkersResponse* response) {
  return OnLoop(context, "ListWorkers", [=, this](const Caller&, const Finish& finish) {
    generation().ListWorkers(Give(response, finish));
  });
}

grpc::ServerUnaryReactor* GenerationApi::ListUsage(grpc::CallbackServerContext* context,
                                                   const v1::ListUsageRequest* request,
                                                   v1::ListUsageResponse* response) {
  return OnLoop(context, "ListUsage", [=, this](const Caller&, const Finish& finish) {
    generation().ListUsage(*request, Give(response, finish));
  });
}

}  // namespace mind::server
