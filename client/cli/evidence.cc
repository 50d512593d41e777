#include "client/cli/evidence.h"

#include <grpcpp/generic/generic_stub.h>

#include <chrono>

#include "absl/time/clock.h"
#include "externalscaler/externalscaler.grpc.pb.h"
#include "mind/v1/worker.grpc.pb.h"
#include "proto/support/errors.h"

namespace mind::cli {
namespace {

constexpr std::chrono::seconds kPatience{5};

void Prepare(grpc::ClientContext& context, const Common& common) {
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  if (!common.key.empty()) context.AddMetadata("authorization", "Bearer " + common.key);
}

// Of the service as a whole. What the health service says is a message with one number: 1 is SERVING.
absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               std::optional<Certificate>& certificate) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const grpc::Slice nothing("");
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpc(status);
  if (const auto auth = context.auth_context()) {
    for (const grpc::string_ref& pem : auth->FindPropertyValues("x509_pem_cert")) {
      const auto shown = ReadCertificates(std::string(pem.data(), pem.size()));
      if (shown.ok()) certificate = Describe(*shown->front());
    }
  }
  grpc::Slice bytes;
  constexpr char kServing[] = "\x08\x01";
  return answer.DumpToSingleSlice(&bytes).ok() &&
         std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()) == kServing;
}

absl::Status AskScale(const std::shared_ptr<grpc::Channel>& channel, const Common& common) {
  grpc::ClientContext context;
  Prepare(context, common);
  externalscaler::GetMetricSpecResponse response;
  return FromGrpc(externalscaler::ExternalScaler::NewStub(channel)->GetMetricSpec(
      &context, externalscaler::ScaledObjectRef(), &response));
}

// Says goodbye before it has said who it is.
absl::Status AskWorker(const std::shared_ptr<grpc::Channel>& channel, const Common& common) {
  grpc::ClientContext context;
  Prepare(context, common);
  const auto stream = v1::WorkerService::NewStub(channel)->Connect(&context);
  stream->WritesDone();
  return FromGrpc(stream->Finish());
}

}  // namespace

Evidence Gather(client::Client& client, const Common& common, const DoctorOptions& options) {
  Evidence seen{.server = common.server, .encrypted = options.encrypted};
  const auto channel = grpc::CreateChannel(
      common.server, options.credentials ? options.credentials : grpc::InsecureChannelCredentials());
  const absl::StatusOr<bool> serving = IsServing(channel, seen.certificate);
  seen.reached = serving.status();
  if (serving.ok()) {
    seen.serving = *serving;
    seen.models = client.Models();
    seen.workers = client.Workers();
    v1::JobRequest request;
    request.mutable_spec()->set_prompt("a red apple");
    seen.scopes["generate"] = client.Check(request).status();
    seen.scopes["read"] = seen.models.status();
    seen.scopes["admin"] = seen.workers.status();
    seen.scopes["scale"] = AskScale(channel, common);
    seen.scopes["worker"] = AskWorker(channel, common);
    const auto keys = GetErrorInfo(client.ListKeys("").status());
    seen.asks_for_keys = !keys || keys->reason() != "KEYS_NOT_ASKED";
  }
  for (const std::string& address : options.metrics) {
    seen.pages.emplace_back(address, MetricsPage::Fetch(address));
  }
  seen.now = absl::Now();
  return seen;
}

}  // namespace mind::cli
