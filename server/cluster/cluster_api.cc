#include "server/cluster/cluster_api.h"

#include <memory>
#include <string>
#include <vector>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/api/credentials.h"
#include "server/api/refused_stream.h"

namespace mind::server {
namespace {

constexpr char kSubmit[] = "mind.internal.v1.ClusterService/Submit";
constexpr char kWatch[] = "mind.internal.v1.ClusterService/Watch";

CallTimes CallFromProto(const internal::v1::Call& call) {
  return {.started = FromTimestamp(call.started()),
          .deadline = call.has_deadline() ? FromTimestamp(call.deadline()) : absl::InfiniteFuture(),
          .front = call.front()};
}

}  // namespace

ClusterApi::ClusterApi(Post post, LeaderSeat& seat, ServerMetrics& metrics, FrontAuthority& authority,
                       std::function<void(uint64_t term, const std::string& leader)> announced)
    : LateReading(*internal::v1::WatchRequest::descriptor()->file()->FindServiceByName("ClusterService")),
      context_{std::move(post), seat, metrics, authority},
      seat_(seat),
      announced_(std::move(announced)) {
  OnHeader<grpc::ByteBuffer, grpc::ByteBuffer>(
      "Watch", [this](grpc::CallbackServerContext* context) { return BeginWatch(context); });
}

grpc::ServerUnaryReactor* ClusterApi::Submit(grpc::CallbackServerContext* context,
                                             const internal::v1::SubmitRequest* request,
                                             internal::v1::SubmitResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Caller> caller = context_.authority.Admit(CredentialsOf(*context), kSubmit);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  std::optional<CallTimes> tied_to;
  if (request->has_tied_to()) tied_to = CallFromProto(request->tied_to());
  const auto submission = std::make_shared<Submission>(PrepareSubmission(request->job()));
  context_.post([this, reactor, response, submission, tied_to, caller = *std::move(caller)] {
    seat_.Submit(std::move(*submission), caller, tied_to, [reactor, response](absl::StatusOr<v1::Job> job) {
      if (job.ok()) *response->mutable_job() = *std::move(job);
      reactor->Finish(ToGrpc(job.status()));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClusterApi::Leave(grpc::CallbackServerContext* context,
                                            const internal::v1::LeaveRequest* request,
                                            internal::v1::LeaveResponse*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  context_.post([this, reactor, request] {
    const bool vacant = seat_.vacant();
    if (!vacant) seat_.Leave(request->id(), CallFromProto(request->call()));
    reactor->Finish(ToGrpc(vacant ? LeaderSeat::NotLeading() : absl::OkStatus()));
  });
  return reactor;
}

ClusterApi::WatchReactor* ClusterApi::BeginWatch(grpc::CallbackServerContext* context) {
  const absl::StatusOr<Caller> caller = context_.authority.Admit(CredentialsOf(*context), kWatch);
  if (!caller.ok()) {
    return RefusedStream<grpc::ByteBuffer, grpc::ByteBuffer>::Start(ToGrpc(caller.status()));
  }
  const auto understand = [caller = *caller](grpc::ByteBuffer bytes) -> absl::StatusOr<EventStream::Begin> {
    const auto request = std::make_shared<internal::v1::WatchRequest>();
    if (!grpc::SerializationTraits<internal::v1::WatchRequest>::Deserialize(&bytes, request.get()).ok()) {
      return NotARequest();
    }
    return [caller, request](EventPump& pump) {
      pump.Watch(request->id(),
                 {.after_sequence = request->after_sequence(),
                  .front = WatchStart::Front{.name = request->front(),
                                             .tied_calls = static_cast<int>(request->tied_calls())}},
                 caller);
    };
  };
  return EventStream::Start(context_, "Watch", std::nullopt, understand);
}

grpc::ServerUnaryReactor* ClusterApi::ListSigningSecrets(grpc::CallbackServerContext* context,
                                                         const internal::v1::ListSigningSecretsRequest*,
                                                         internal::v1::ListSigningSecretsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  context_.post([this, reactor, response] {
    seat_.ListSigningSecrets([reactor, response](const absl::StatusOr<std::vector<std::string>>& secrets) {
      if (secrets.ok()) response->mutable_secrets()->Add(secrets->begin(), secrets->end());
      reactor->Finish(ToGrpc(secrets.status()));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClusterApi::ListWork(grpc::CallbackServerContext* context,
                                               const internal::v1::ListWorkRequest*,
                                               internal::v1::ListWorkResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  context_.post([this, reactor, response] {
    seat_.ListWork([reactor, response](absl::StatusOr<internal::v1::ListWorkResponse> work) {
      if (work.ok()) *response = *std::move(work);
      reactor->Finish(ToGrpc(work.status()));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClusterApi::Announce(grpc::CallbackServerContext* context,
                                               const internal::v1::AnnounceRequest* request,
                                               internal::v1::AnnounceResponse*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  context_.post([this, reactor, request] {
    announced_(request->term(), request->address());
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace mind::server
