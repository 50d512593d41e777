// What the server refuses by itself, before or without any handler, and what it says then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/http/http_server_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpRefusalsTest : public HttpServerRig {};

// What each is answered with, by its first line.
TEST_F(HttpRefusalsTest, RefusesWhatItCannotRead) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  Start(limits);
  const std::map<std::string, std::string> refused = {
      {"nonsense\r\n\r\n", "400"},
      {"GET /hello HTTP/1.1\r\n\r\n", "400"},                        // no Host
      {"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},  // two
      {"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", "400"},              // no path
      {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},               // a broken escape
      {"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", "400"},            // a space before the colon
      {"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n", "400"},             // another protocol
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},                   // HTTP/2 without asking
      {absl::StrCat("GET /hello HTTP/1.1\r\nHost: x\r\nX: ", std::string(20'000, 'x'), "\r\n\r\n"), "431"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "413"},
      {absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n",
                    std::string(2000, 'x'), "\r\n0\r\n\r\n"),
       "413"},
      // Where one end reads one length and the other another, a second request could be smuggled in.
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       "400"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
  };
  for (const auto& [request, status] : refused) {
    const std::string answer = Ask(request);
    EXPECT_THAT(answer, StartsWith(absl::StrCat("HTTP/1.1 ", status))) << request.substr(0, 100);
    EXPECT_THAT(answer, HasSubstr("Connection: close")) << request.substr(0, 100);
  }
}

// Has counted what one tenant asks.
class Counting : public Everybody {
 public:
  std::optional<Rate> RequestsOf(const Credentials& credentials) override {
    if (credentials.authorization != "Bearer known") return std::nullopt;
    return Rate{.limit = 60, .remaining = 7, .reset = absl::Seconds(53)};
  }
};

TEST_F(HttpRefusalsTest, WhoIsKnownIsToldHowHeStandsWithWhatNoHandlerAnswers) {
  Counting counting;
  Router router(counting);
  for (const char* const method : {"GET", "POST"}) {
    router.Add(method, "/forgotten", [](const ExchangePtr&, const Router::Arguments&) {});
  }
  HttpLimits limits;
  limits.body_bytes = 1000;
  auto server = HttpServer::Start({.address = "127.0.0.1:0", .limits = limits}, router);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  const std::pair<const char*, std::string> refused[] = {
      {"POST /forgotten HTTP/1.1\r\nHost: x\r\n@Content-Length: 1001\r\n\r\n", "413"},
      {"POST /forgotten HTTP/1.1\r\nHost: x\r\n@Transfer-Encoding: chunked\r\n\r\n7d0\r\n", "413"},
      {"POST /forgotten HTTP/1.1\r\nHost: x\r\n@Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"GET forgotten HTTP/1.1\r\nHost: x\r\n@\r\n", "400"},
      {"GET /forgotten HTTP/1.1\r\n@\r\n", "400"},
      {"GET /forgotten HTTP/1.1\r\nHost: x\r\n@\r\n", "500"},
  };
  for (const auto& [request, status] : refused) {
    const auto as = [&, request = std::string(request)](const std::string& key) {
      const std::string header = key.empty() ? "" : absl::StrCat("Authorization: Bearer ", key, "\r\n");
      return Ask(absl::StrReplaceAll(request, {{"@", header}}));
    };
    EXPECT_THAT(as("known"), testing::AllOf(StartsWith(absl::StrCat("HTTP/1.1 ", status)),
                                            HasSubstr("x-ratelimit-limit-requests: 60\r\n"),
                                            HasSubstr("x-ratelimit-remaining-requests: 7\r\n"),
                                            HasSubstr("x-ratelimit-reset-requests: 53s\r\n")))
        << request;
    for (const char* const other : {"", "other"}) {
      EXPECT_THAT(as(other), testing::AllOf(StartsWith(absl::StrCat("HTTP/1.1 ", status)),
                                            Not(HasSubstr("x-ratelimit"))))
          << request;
    }
  }
  server_.reset();
}

TEST_F(HttpRefusalsTest, ALaterRequestIsRefusedAsTheFirstIs) {
  Start();
  for (const char* const bad : {"nonsense\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n"}) {
    const std::string answers = Ask(absl::StrCat("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", bad));
    EXPECT_THAT(answers, HasSubstr("helloHTTP/1.1 400 Bad Request\r\n")) << bad;
  }
}

// What was said of a request does not go with the refusal of the next.
TEST_F(HttpRefusalsTest, ARefusalIsOfTheRequestThatIsRefused) {
  Start({}, {"https://studio.example"});
  ClientSocket socket(server_->port());
  socket.Send(
      "HEAD /hello HTTP/1.1\r\nHost: x\r\nx-request-id: first\r\nOrigin: https://studio.example\r\n\r\n");
  socket.ReadUntil("\r\n\r\n");
  socket.Forget();
  socket.Send("nonsense\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), testing::AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("bad_http"),
                                               Not(HasSubstr("first")), Not(HasSubstr("studio"))));
}

class Nobody : public Authority {
 public:
  absl::StatusOr<Caller> Admit(const Credentials&, std::string_view, std::optional<Rate>*) override {
    return absl::UnauthenticatedError("nobody is let in");
  }
  absl::Status StillAdmits(const Credentials&, std::string_view) const override {
    return absl::UnauthenticatedError("nobody is let in");
  }
};

// Who is not let in is told so by the header, however long the body is that he has not sent.
TEST_F(HttpRefusalsTest, ABodyThatNobodyWillLookAtIsNotWaitedFor) {
  Nobody nobody;
  Router router(nobody);
  router.Add("POST", "/echo", [](const ExchangePtr& exchange, const Router::Arguments&) {
    exchange->Answer(Answered(200, "text/plain", exchange->request().body));
  });
  router.SetNobody("/", [](const ExchangePtr& exchange, const std::string&) {
    exchange->Answer(Answered(404, "text/plain", "nobody"));
  });
  auto server = HttpServer::Start({.address = "127.0.0.1:0"}, router);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  for (const char* const length : {"Content-Length: 30000000", "Transfer-Encoding: chunked"}) {
    EXPECT_THAT(Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\n", length, "\r\n\r\n")),
                StartsWith("HTTP/1.1 401"));
    EXPECT_THAT(Ask(absl::StrCat("POST /nothing HTTP/1.1\r\nHost: x\r\n", length, "\r\n\r\n")),
                StartsWith("HTTP/1.1 404"));
    EXPECT_THAT(
        Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n", length, "\r\n\r\n")),
        StartsWith("HTTP/1.1 401"));
  }
  server_.reset();
}

TEST_F(HttpRefusalsTest, ARequestThatDoesNotComeInTimeIsGivenUp) {
  HttpLimits limits;
  limits.header_time = std::chrono::seconds(1);
  Start(limits);
  EXPECT_EQ(Ask("GET /hello HT"), "");
  EXPECT_EQ(Ask(""), "");
}

TEST_F(HttpRefusalsTest, AnExchangeThatIsLetGoOfIsAnErrorOfTheServer) {
  Start();
  EXPECT_THAT(Ask("GET /forgotten HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

}  // namespace
}  // namespace mind::server
