// Requests and their answers over real sockets.
#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/http/http_server_rig.h"

namespace mind::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public HttpServerRig {};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Start();
  ClientSocket socket(server_->port());
  socket.Send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-1\r\n\r\n");
  const std::string first = socket.ReadUntil("hello");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("x-request-id: mine-1\r\n"));
  EXPECT_THAT(first, HasSubstr("Content-Length: 5\r\n"));
  socket.Forget();
  socket.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  EXPECT_THAT(socket.ReadAll(), EndsWith("\r\n\r\nabc"));
}

TEST_F(HttpServerTest, TakesChunkedBodiesAndWaitsToBeToldToGoOn) {
  Start();
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              EndsWith("\r\n\r\nabcde"));
  ClientSocket socket(server_->port());
  socket.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(socket.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("abc");
  EXPECT_THAT(socket.ReadAll(), EndsWith("\r\n\r\nabc"));
}

TEST_F(HttpServerTest, RequestsSentTogetherAreAnsweredInOrder) {
  Start();
  const std::string answers = Ask(
      "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_LT(answers.find("hello"), answers.find("nobody"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Start();
  const std::string answer = Ask("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

// All bodies together take no more memory than they may, and that is free again when they are answered.
TEST_F(HttpServerTest, BodiesHaveABudgetTogether) {
  HttpLimits limits;
  limits.bodies_bytes = 1000;
  Start(limits);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
  ClientSocket first(server_->port());
  first.Send(absl::StrCat(head, "900\r\n\r\n", std::string(800, 'a')));
  const auto ask = [&] { return Ask(absl::StrCat(head, "300\r\n\r\n", std::string(300, 'b'))); };
  std::string answer = ask();
  while (absl::StartsWith(answer, "HTTP/1.1 200")) answer = ask();  // until the first has been read so far
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(answer, HasSubstr("too_many_bodies"));
  EXPECT_THAT(answer, HasSubstr("retry-after: 1\r\n"));
  first.Send(std::string(100, 'a'));
  EXPECT_THAT(first.ReadAll(), EndsWith(std::string(900, 'a')));
  answer = ask();
  while (absl::StartsWith(answer, "HTTP/1.1 503")) answer = ask();  // until the first has been let go of
  EXPECT_THAT(answer, EndsWith(std::string(300, 'b')));
}

// A call that waits for its job takes nothing of that.
TEST_F(HttpServerTest, ABodyIsLetGoOfWhenItsHandlerHasReturned) {
  HttpLimits limits;
  limits.bodies_bytes = 1000;
  router_.Add("POST", "/held", [this](const ExchangePtr& exchange, const Router::Arguments&) {
    const absl::MutexLock lock(&mutex_);
    held_ = exchange;
  });
  Start(limits);
  const std::string head = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
  ClientSocket waiting(server_->port());
  waiting.Send(absl::StrCat("POST /held", head, "900\r\n\r\n", std::string(900, 'a')));
  const ExchangePtr held = AwaitHeld();
  const auto ask = [&] {
    return Ask(absl::StrCat("POST /echo", head, "300\r\n\r\n", std::string(300, 'b')));
  };
  std::string answer = ask();
  while (absl::StartsWith(answer, "HTTP/1.1 503")) answer = ask();  // until the handler has returned
  EXPECT_THAT(answer, EndsWith(std::string(300, 'b')));
  held->Answer(Answered(200, "text/plain", "made"));
  EXPECT_THAT(waiting.ReadAll(), EndsWith("made"));
}

TEST_F(HttpServerTest, PagesOfOtherOriginsMayReadWhereThatIsAllowed) {
  Start({}, {"https://studio.example"});
  const auto ask = [this](const std::string& origin) {
    return Ask(
        absl::StrCat("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: ", origin, "\r\n\r\n"));
  };
  EXPECT_THAT(ask("https://studio.example"),
              HasSubstr("Access-Control-Allow-Origin: https://studio.example\r\n"));
  EXPECT_THAT(ask("https://other.example"), Not(HasSubstr("Access-Control-Allow-Origin")));
  const std::string preflight = Ask(
      "OPTIONS /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://studio.example\r\n\r\n");
  EXPECT_THAT(preflight, StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(preflight, HasSubstr("Access-Control-Allow-Methods"));
}

// An exchange that a handler still holds outlives the server.
TEST_F(HttpServerTest, GoesDownWithCallsOpen) {
  Start();
  ClientSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  ExchangePtr exchange = AwaitHeld();
  server_.reset();
  exchange->Answer(Answered(200, "text/plain", "too late"));
  exchange.reset();
  EXPECT_EQ(socket.ReadAll(), "");
}

TEST_F(HttpServerTest, AddressesThatAreNoneAreRefused) {
  for (const char* const bad : {"", "host", ":80", "host:", "host:99999", "host:x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(HttpServer::Start({.address = bad}, router_).status())) << bad;
  }
  Start();
  EXPECT_TRUE(absl::IsUnavailable(
      HttpServer::Start({.address = absl::StrCat("127.0.0.1:", server_->port())}, router_).status()));
}

// A connection is an open file, and what a shell allows by default is a thousand.
TEST(HttpServerFiles, MayBeAsManyAsTheProcessIsAllowed) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 512;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  Everybody everybody;
  Router router(everybody);
  ASSERT_TRUE(HttpServer::Start({.address = "127.0.0.1:0", .threads = 1}, router).ok());
  rlimit after{};
  getrlimit(RLIMIT_NOFILE, &after);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace mind::server
