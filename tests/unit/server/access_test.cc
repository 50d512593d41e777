#include "server/trust/access.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/api/generation_api.h"
#include "server/api/key_api.h"
#include "server/api/worker_api.h"
#include "server/dispatch/loop.h"
#include "server/dispatch/moment.h"
#include "server/http/http_server.h"
#include "server/http/openapi.h"
#include "server/http/page.h"
#include "server/scale/scaler_api.h"
#include "tests/support/certificates.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tls_socket.h"
#include "tests/unit/http/face_rig.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What a caller sends, and what it must be told.
struct Case {
  std::string what;
  Credentials credentials;
  absl::StatusCode code;  // kOk: let in, whatever the handler then says
  std::string reason;
};

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

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    v1::ApiKey like = KeyLike("acme", AllScopes());
    all_ = AddKey(table_, like);
    *like.mutable_expire_time() = ToTimestamp(absl::Now() - absl::Seconds(1));
    expired_ = AddKey(table_, like);
    like.clear_expire_time();
    *like.mutable_revoke_time() = ToTimestamp(absl::Now());
    revoked_ = AddKey(table_, like);
    for (const v1::Scope scope : AllScopes()) {
      with_[scope] = AddKey(table_, KeyLike("acme", {scope}));
      std::vector<v1::Scope> others = AllScopes();
      others.erase(std::find(others.begin(), others.end(), scope));
      without_[scope] = AddKey(table_, KeyLike("acme", others));
    }
    book_.SetFile(table_);
  }

  // Of what needs this scope.
  std::vector<Case> Cases(v1::Scope scope) const {
    std::string mistyped = with_.at(scope);
    mistyped.back() = mistyped.back() == 'x' ? 'y' : 'x';
    const auto bearer = [](const std::string& key) { return Credentials{.authorization = "Bearer " + key}; };
    Credentials of_another = bearer(with_.at(scope));
    of_another.tenant = "other";
    constexpr auto kUnknown = absl::StatusCode::kUnauthenticated;
    constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
    return {
        {"no key", {}, kUnknown, "API_KEY_MISSING"},
        {"a mistyped key", bearer(mistyped), kUnknown, "API_KEY_INVALID"},
        {"nobody's key", bearer(ToText(NewKeyText())), kUnknown, "API_KEY_INVALID"},
        {"a forged key", bearer(ToText({ParseKeyText(all_)->id, NewKeyText().secret})), kUnknown,
         "API_KEY_INVALID"},
        {"an expired key", bearer(expired_), kUnknown, "API_KEY_EXPIRED"},
        {"a revoked key", bearer(revoked_), kUnknown, "API_KEY_REVOKED"},
        {"all other scopes", bearer(without_.at(scope)), kDenied, "SCOPE_MISSING"},
        {"another tenant", of_another, scope == v1::SCOPE_PROXY ? absl::StatusCode::kOk : kDenied,
         "TENANT_NOT_ALLOWED"},
        {"this scope", bearer(with_.at(scope)), absl::StatusCode::kOk, ""},
    };
  }

  KeyTable table_;
  std::string all_, expired_, revoked_;
  std::map<v1::Scope, std::string> with_, without_;
  KeyBook book_;
  Gatekeeper gatekeeper_{{.keys = &book_, .clock = [] { return absl::Now(); }, .steady_clock = SteadyNow}};
  FakeGeneration generation_;
};

// --- gRPC.

// In the clear and encrypted.
class AccessByGrpc : public AccessTest, public testing::WithParamInterface<bool> {
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
    for (const Case& one : Cases(scope)) {
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

// --- HTTP.

class AccessByHttp : public AccessTest {
 protected:
  AccessByHttp() {
    AddOpenAiFace(context_, router_);
    AddNativeFace(context_, router_);
    AddSdapiFace(context_, router_);
    AddKserveFace(context_, router_);
    AddPage(router_);
    AddOpenApi(router_);
  }

  static std::string TargetOf(const Router::Route& route) {
    return absl::StrReplaceAll(route.pattern, {{"{id}", "job-1"}, {"{index}", "0"}, {"{model}", "emoji"}});
  }
  std::shared_ptr<FakeExchange> Ask(const Router::Route& route, const Credentials& credentials) {
    const auto exchange = std::make_shared<FakeExchange>(route.method, TargetOf(route), "{}");
    if (!credentials.authorization.empty())
      exchange->mutable_request().headers["authorization"] = credentials.authorization;
    if (credentials.tenant) exchange->mutable_request().headers["mind-tenant"] = *credentials.tenant;
    router_.Dispatch(exchange);
    return exchange;
  }

  const FaceContext context_{.post = [](std::function<void()> work) { work(); },
                             .generation = generation_,
                             .authority = gatekeeper_};
  Router router_{gatekeeper_};
};

std::string RouteName(const Router::Route& route) {
  return absl::StrCat(route.method, " ", route.pattern);
}

TEST_F(AccessByHttp, EveryRouteIsInTheTableAndTheTableNamesNoOther) {
  std::set<std::string> routes, in_table;
  for (const Router::Route& route : router_.routes()) {
    EXPECT_TRUE(AccessTo(RouteName(route))) << RouteName(route);
    routes.insert(RouteName(route));
  }
  for (const std::string& name : NamesWithAccess()) {
    if (absl::StrContains(name, " ") && routes.count(name) == 0) in_table.insert(name);
  }
  EXPECT_THAT(in_table, IsEmpty()) << "routes that there are not";
}

TEST_F(AccessByHttp, WhatIsOpenIsWhatSaysHowToCallAndHowItGoes) {
  std::set<std::string> open;
  for (const Router::Route& route : router_.routes()) {
    if (!AccessTo(RouteName(route))->open()) continue;
    if (!absl::EndsWith(route.pattern, ".js") && !absl::EndsWith(route.pattern, ".css") &&
        !absl::EndsWith(route.pattern, ".html")) {
      open.insert(RouteName(route));
    }
    for (const Case& one : Cases(v1::SCOPE_READ)) {
      const auto exchange = Ask(route, one.credentials);
      ASSERT_TRUE(exchange->answer) << RouteName(route);
      EXPECT_NE(exchange->answer->status, 401) << RouteName(route) << ", " << one.what;
    }
  }
  EXPECT_THAT(open, testing::ElementsAre("GET /", "GET /openapi.json", "GET /v1/files/{id}/{index}",
                                         "GET /v2/health/live", "GET /v2/health/ready"));
}

TEST_F(AccessByHttp, EveryOtherRouteIsClosedButToARightKeyOfItsScope) {
  for (const Router::Route& route : router_.routes()) {
    const v1::Scope scope = AccessTo(RouteName(route))->scope;
    if (scope == v1::SCOPE_UNSPECIFIED) continue;
    for (const Case& one : Cases(scope)) {
      const auto exchange = Ask(route, one.credentials);
      const std::string where = absl::StrCat(RouteName(route), ", ", one.what);
      if (one.code == absl::StatusCode::kOk) {
        if (!exchange->answer) continue;  // it goes on
        EXPECT_NE(exchange->answer->status, 401) << where;
        EXPECT_NE(exchange->answer->status, 403) << where;
        continue;
      }
      ASSERT_TRUE(exchange->answer) << where;
      const bool unknown = one.code == absl::StatusCode::kUnauthenticated;
      EXPECT_EQ(exchange->answer->status, unknown ? 401 : 403) << where;
      const std::vector<std::pair<std::string, std::string>>& headers = exchange->answer->headers;
      const std::pair<std::string, std::string> challenge{"www-authenticate", "Bearer realm=\"mind\""};
      EXPECT_EQ(std::count(headers.begin(), headers.end(), challenge), unknown ? 1 : 0) << where;
      ASSERT_NE(exchange->answer->body, nullptr) << where;
      EXPECT_TRUE(nlohmann::json::accept(*exchange->answer->body)) << where;
      EXPECT_THAT(*exchange->answer->body, HasSubstr("key")) << where;
    }
  }
}

// The same over sockets, where a request's body comes after its header.
TEST_F(AccessByHttp, SoItIsOverConnectionsInTheClearAndEncrypted) {
  const support::TemporaryFolder folder;
  const support::Authority authority;
  authority.IssueForLoopback().Write(folder / "server");
  for (const bool encrypted : {false, true}) {
    HttpTls tls;
    if (encrypted) tls.identity = *TlsIdentity::Load(folder / "server.crt", folder / "server.key");
    const auto server = HttpServer::Start({.address = "127.0.0.1:0", .tls = tls}, router_);
    ASSERT_TRUE(server.ok()) << server.status();
    for (const Router::Route& route : router_.routes()) {
      const v1::Scope scope = AccessTo(RouteName(route))->scope;
      if (scope == v1::SCOPE_UNSPECIFIED) continue;
      for (const Case& one : Cases(scope)) {
        if (one.code == absl::StatusCode::kOk) continue;  // above
        std::string request =
            absl::StrCat(route.method, " ", TargetOf(route), " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        if (!one.credentials.authorization.empty())
          absl::StrAppend(&request, "Authorization: ", one.credentials.authorization, "\r\n");
        if (one.credentials.tenant)
          absl::StrAppend(&request, "mind-tenant: ", *one.credentials.tenant, "\r\n");
        absl::StrAppend(&request, route.method == "GET" ? "\r\n" : "Content-Length: 2\r\n\r\n{}");
        std::string answer;
        if (encrypted) {
          support::TlsSocket socket((*server)->port());
          socket.Send(request);
          answer = socket.ReadAll();
        } else {
          answer = support::Ask(support::Connect((*server)->port()), request);
        }
        EXPECT_TRUE(absl::StartsWith(
            answer, one.code == absl::StatusCode::kUnauthenticated ? "HTTP/1.1 401" : "HTTP/1.1 403"))
            << RouteName(route) << ", " << one.what << ": " << answer;
      }
    }
  }
}

TEST_F(AccessByHttp, EachFaceRefusesInItsOwnForm) {
  const auto body = [this](const char* method, const char* pattern) {
    return nlohmann::json::parse(*Ask({.method = method, .pattern = pattern}, {})->answer->body);
  };
  const nlohmann::json openai = body("POST", "/v1/images/generations");
  EXPECT_EQ(openai["error"]["type"], "authentication_error");
  EXPECT_EQ(openai["error"]["code"], "api_key_missing");
  EXPECT_EQ(body("GET", "/v1/jobs")["error"]["status"], "UNAUTHENTICATED");
  EXPECT_EQ(body("POST", "/sdapi/v1/txt2img")["error"], "UNAUTHENTICATED");
  EXPECT_TRUE(body("GET", "/v2/models/emoji")["error"].is_string());
}

TEST_F(AccessByHttp, TheBudgetOfCallsGoesWithEveryAnswer) {
  table_.tenants["acme"].set_requests_per_minute(2);
  book_.SetFile(table_);
  const Router::Route list{.method = "GET", .pattern = "/v1/models"};
  const Credentials credentials{.authorization = "Bearer " + with_[v1::SCOPE_READ]};
  const auto header = [](const std::shared_ptr<FakeExchange>& exchange, const std::string& name) {
    std::vector<std::pair<std::string, std::string>> headers = exchange->headers();
    headers.insert(headers.end(), exchange->answer->headers.begin(), exchange->answer->headers.end());
    for (const auto& [given, value] : headers) {
      if (given == name) return value;
    }
    return std::string("none");
  };
  EXPECT_EQ(header(Ask(list, credentials), "x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(header(Ask(list, credentials), "x-ratelimit-remaining-requests"), "0");
  const auto refused = Ask(list, credentials);
  EXPECT_EQ(refused->answer->status, 429);
  EXPECT_EQ(header(refused, "x-ratelimit-limit-requests"), "2");
  EXPECT_NE(header(refused, "x-ratelimit-reset-requests"), "none");
  EXPECT_EQ(header(refused, "retry-after"), "30");
  EXPECT_EQ(nlohmann::json::parse(*refused->answer->body)["error"]["code"], "request_limit");
  // Also with what is not let in for another reason, and with what is nobody's.
  EXPECT_EQ(
      header(Ask({.method = "GET", .pattern = "/v1/workers"}, credentials), "x-ratelimit-limit-requests"),
      "2");
  EXPECT_EQ(
      header(Ask({.method = "GET", .pattern = "/v1/nothing"}, credentials), "x-ratelimit-limit-requests"),
      "2");
  EXPECT_EQ(header(Ask(list, {}), "x-ratelimit-limit-requests"), "none");
}

TEST_F(AccessByHttp, TheBudgetOfWorkersTimeGoesWithAnswersOfTheServerThatCountsIt) {
  const Router::Route list{.method = "GET", .pattern = "/v1/jobs"};
  const Credentials credentials{.authorization = "Bearer " + with_[v1::SCOPE_READ]};
  EXPECT_THAT(Ask(list, credentials)->headers(), IsEmpty());
  generation_.seconds = {.limit = 1'728'000, .remaining = 12.7, .reset = absl::Milliseconds(1500)};
  using Header = std::pair<std::string, std::string>;
  EXPECT_THAT(Ask(list, credentials)->headers(),
              testing::ElementsAre(Header("x-ratelimit-limit-seconds", "1728000"),
                                   Header("x-ratelimit-remaining-seconds", "12"),
                                   Header("x-ratelimit-reset-seconds", "1.5s")));
}

}  // namespace
}  // namespace mind::server
