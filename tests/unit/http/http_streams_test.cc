// Answers that come in parts, and callers who go meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/unit/http/http_server_rig.h"

namespace mind::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class HttpStreamsTest : public HttpServerRig {};

TEST_F(HttpStreamsTest, AnAnswerMayComeInParts) {
  Start();
  ClientSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, nullptr);
  absl::Notification sent;
  exchange->Send(std::make_shared<const std::string>("one\n"), [&] { sent.Notify(); });
  EXPECT_THAT(socket.ReadUntil("one\n"), HasSubstr("Transfer-Encoding: chunked"));
  sent.WaitForNotification();
  exchange->Send(std::make_shared<const std::string>("two\n"), nullptr);
  exchange->End();
  EXPECT_THAT(socket.ReadUntil("0\r\n\r\n"), HasSubstr("4\r\ntwo\n\r\n0\r\n\r\n"));
  // And the connection goes on.
  socket.Forget();
  socket.Send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), EndsWith("hello"));
}

TEST_F(HttpStreamsTest, AnOldClientGetsThePartsAsTheyAre) {
  Start();
  ClientSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.0\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, nullptr);
  exchange->Send(std::make_shared<const std::string>("one\n"), nullptr);
  exchange->End();
  const std::string answer = socket.ReadAll();
  EXPECT_THAT(answer, EndsWith("\r\n\r\none\n"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

TEST_F(HttpStreamsTest, WhileNothingIsSentTheHeartbeatIs) {
  HttpLimits limits;
  limits.heartbeat = std::chrono::seconds(0);
  Start(limits);
  ClientSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, std::make_shared<const std::string>(": ping\n\n"));
  socket.ReadUntil(": ping\n\n\r\n8\r\n: ping");
  exchange->Send(std::make_shared<const std::string>("one\n"), nullptr);
  exchange->End();
  EXPECT_THAT(socket.ReadUntil("0\r\n\r\n"), HasSubstr("one\n"));
}

TEST_F(HttpStreamsTest, TheNextStreamOfAConnectionHasHeartbeatsToo) {
  HttpLimits limits;
  limits.heartbeat = std::chrono::seconds(0);
  Start(limits);
  ClientSocket socket(server_->port());
  for (int i = 0; i < 3; ++i) {
    socket.Forget();
    socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    const ExchangePtr exchange = AwaitHeld();
    exchange->Begin({.content_type = "text/event-stream"}, std::make_shared<const std::string>(": ping\n\n"));
    EXPECT_THAT(socket.ReadUntil(": ping"), HasSubstr(": ping"));
    exchange->End();
    socket.ReadUntil("0\r\n\r\n");
  }
}

// More than the system takes at once, to somebody who reads late.
TEST_F(HttpStreamsTest, ALargePartComesWhole) {
  Start();
  ClientSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, nullptr);
  const std::string large(16 << 20, 'x');
  exchange->Send(std::make_shared<const std::string>(large), [exchange] {
    exchange->Send(std::make_shared<const std::string>("after it"), nullptr);
    exchange->End();
  });
  const std::string all = socket.ReadAll();
  // Not shown where it fails.
  EXPECT_TRUE(absl::EndsWith(all, absl::StrCat("1000000\r\n", large, "\r\n8\r\nafter it\r\n0\r\n\r\n")))
      << all.size() << " bytes";
}

TEST_F(HttpStreamsTest, ACallerWhoGoesIsNoticed) {
  Start();
  for (const bool began : {false, true}) {
    ClientSocket socket(server_->port());
    socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    const ExchangePtr exchange = AwaitHeld();
    absl::Notification gone;
    exchange->OnGone([&] { gone.Notify(); });
    if (began) exchange->Begin({.content_type = "text/event-stream"}, nullptr);
    socket.Close();
    gone.WaitForNotification();
    exchange->Answer(Answered(200, "text/plain", "too late"));
  }
}

TEST_F(HttpStreamsTest, WhoWatchesLateStillHearsThatTheCallerHasGone) {
  Start();
  ExchangePtr exchange;
  {
    ClientSocket socket(server_->port());
    socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    exchange = AwaitHeld();
  }
  while (server_->connections() > 1) {
  }
  absl::Notification gone;
  exchange->OnGone([&] { gone.Notify(); });
  gone.WaitForNotification();
}

}  // namespace
}  // namespace mind::server
