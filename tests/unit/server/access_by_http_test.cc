// Who may call which route.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/http/http_server.h"
#include "server/http/openapi.h"
#include "server/http/page.h"
#include "tests/support/certificates.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tls_socket.h"
#include "tests/unit/server/access_rig.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AccessByHttp : public AccessRig {
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
    for (const AccessCase& one : Cases(v1::SCOPE_READ)) {
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
    for (const AccessCase& one : Cases(scope)) {
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
    const auto server = HttpServer::Start({.address = "127.0.0.1:0", .threads = 1, .tls = tls}, router_);
    ASSERT_TRUE(server.ok()) << server.status();
    for (const Router::Route& route : router_.routes()) {
      const v1::Scope scope = AccessTo(RouteName(route))->scope;
      if (scope == v1::SCOPE_UNSPECIFIED) continue;
      for (const AccessCase& one : Cases(scope)) {
        int status = one.code == absl::StatusCode::kUnauthenticated ? 401 : 403;
        if (one.code == absl::StatusCode::kOk) {
          const auto answered = Ask(route, one.credentials)->answer;
          if (!answered) continue;  // it goes on
          status = answered->status;
        }
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
        EXPECT_TRUE(absl::StartsWith(answer, absl::StrCat("HTTP/1.1 ", status)))
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
