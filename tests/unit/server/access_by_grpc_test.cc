// Who may call which method.
#include <gtest/gtest.h>

#include <grpcpp/generic/generic_stub.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/api/generation_api.h"
#include "server/api/key_api.h"
#include "server/api/worker_api.h"
#include "server/dispatch/loop.h"
#include "server/scale/scaler_api.h"
#include "tests/support/certificates.h"
#include "tests/unit/server/access_rig.h"

namespace mind::server {
namespace {

// Takes nobody in.
class NoReception : public Reception {
 public:
  absl::Status OnRegister(const std::shared_ptr<WorkerSession>&, const v1::Register&) override {
    return absl::UnimplementedError("no workers here");
  }
  void OnMessage(const WorkerSession*, v1::ConnectRequest) override {}
  void OnClosed(const WorkerSession*) override {}
  void WhenReadable(const WorkerSession*, std::function<void()> then) override { then(); }
};

// In the clear and encrypted.
class AccessByGrpc : public AccessRig, public testing::WithParamInterface<bool> {
 protected:
  AccessByGrpc() {
    loop_.Start([] {});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", Shown(), &port_);
    builder.RegisterService(&generation_api_);
    builder.RegisterService(&worker_api_);
    builder.RegisterService(&key_api_);
    builder.RegisterService(&scaler_api_);
    server_ = builder.BuildAndStart();
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                            GetParam() ? grpc::SslCredentials({.pem_root_certs = authority_.certificate()})
                                       : grpc::InsecureChannelCredentials()));
  }
  ~AccessByGrpc() override {
    server_->Shutdown();
    server_->Wait();
    loop_.Stop();
  }

  // All methods that clients and workers can call: "mind.v1.KeyService/ListKeys".
  static std::set<std::string> Methods() {
    std::set<std::string> methods;
    for (const google::protobuf::FileDescriptor* const file :
         {v1::CreateJobRequest::descriptor()->file(), v1::ConnectRequest::descriptor()->file(),
          v1::ApiKey::descriptor()->file(), externalscaler::ScaledObjectRef::descriptor()->file()}) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m) {
          methods.insert(
              absl::StrCat(file->service(s)->full_name(), "/", file->service(s)->method(m)->name()));
        }
      }
    }
    return methods;
  }

  // Says nothing in particular to the method.
  absl::Status Call(const std::string& method, const Credentials& credentials) {
    grpc::ClientContext context;
    if (!credentials.authorization.empty()) context.AddMetadata("authorization", credentials.authorization);
    if (credentials.tenant) context.AddMetadata("mind-tenant", *credentials.tenant);
    grpc::CompletionQueue queue;
    const auto call = stub_->PrepareCall(&context, "/" + method, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    wait();
    grpc::Slice nothing("");
    call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer answer;
    do {
      call->Read(&answer, nullptr);
    } while (wait());
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    return FromGrpc(status);
  }

  std::shared_ptr<grpc::ServerCredentials> Shown() const {
    if (!GetParam()) return grpc::InsecureServerCredentials();
    const support::KeyAndCertificate own = authority_.IssueForLoopback();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({own.key, own.certificate});
    return grpc::SslServerCredentials(options);
  }

  const support::Authority authority_;
  Loop loop_{absl::Milliseconds(20)};
  const Post post_ = [this](std::function<void()> work) { loop_.Post(std::move(work)); };
  ServerMetrics metrics_;
  NoReception reception_;
  GenerationApi generation_api_{post_, generation_, metrics_, gatekeeper_};
  WorkerApi worker_api_{post_, reception_, metrics_, gatekeeper_};
  KeyApi key_api_{nullptr, gatekeeper_};
  ScalerApi scaler_api_{post_, generation_, metrics_, gatekeeper_};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

TEST_P(AccessByGrpc, EveryMethodIsInTheTableAndTheTableNamesNoOther) {
  std::set<std::string> in_table;
  for (const std::string& name : NamesWithAccess()) {
    const bool over_http = absl::StrContains(name, " ");
    if (!over_http && !absl::StartsWith(name, "grpc.health.")) in_table.insert(name);
  }
  EXPECT_EQ(in_table, Methods());
}

TEST_P(AccessByGrpc, EveryMethodIsClosedButToARightKeyOfItsScope) {
  for (const std::string& method : Methods()) {
    const v1::Scope scope = AccessTo(method)->scope;
    ASSERT_NE(scope, v1::SCOPE_UNSPECIFIED) << method << " is open";
    for (const AccessCase& one : Cases(scope)) {
      const absl::Status status = Call(method, one.credentials);
      const auto info = GetErrorInfo(status);
      if (one.code == absl::StatusCode::kOk) {
        EXPECT_FALSE(absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status))
            << method << ", " << one.what << ": " << status;
        continue;
      }
      EXPECT_EQ(status.code(), one.code) << method << ", " << one.what << ": " << status;
      EXPECT_EQ(info ? info->reason() : "", one.reason) << method << ", " << one.what << ": " << status;
      EXPECT_EQ(info ? info->domain() : "", kErrorDomain);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(InTheClearAndEncrypted, AccessByGrpc, testing::Bool(),
                         [](const auto& one) { return one.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace mind::server
