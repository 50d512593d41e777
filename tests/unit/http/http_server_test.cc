// The server over real sockets, with a client that sends what it likes.
#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/support/everybody.h"

namespace mind::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Socket {
 public:
  explicit Socket(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { Close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(const std::string& text) { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Until the text is there, or the other end has closed.
  std::string ReadUntil(const std::string& text) {
    while (read_.find(text) == std::string::npos && ReadSome()) {
    }
    return read_;
  }
  // All there is until the other end closes.
  std::string ReadAll() {
    while (ReadSome()) {
    }
    return read_;
  }
  void Forget() { read_.clear(); }

 private:
  bool ReadSome() {
    char buffer[4096];
    const ssize_t size = recv(fd_, buffer, sizeof buffer, 0);
    if (size > 0) read_.append(buffer, static_cast<size_t>(size));
    return size > 0;
  }

  int fd_;
  std::string read_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    router_.Add("GET", "/hello", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", "hello"));
    });
    router_.Add("POST", "/echo", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", exchange->request().body));
    });
    router_.Add("GET", "/forgotten", [](const ExchangePtr&, const Router::Arguments&) {});
    router_.Add("GET", "/held", [this](const ExchangePtr& exchange, const Router::Arguments&) {
      const absl::MutexLock lock(&mutex_);
      held_ = exchange;
    });
    router_.SetNobody("/", [](const ExchangePtr& exchange, const std::string&) {
      exchange->Answer(Answered(404, "text/plain", "nobody"));
    });
  }

  void Start(HttpLimits limits = {}, std::vector<std::string> origins = {}) {
    limits_ = limits;
    auto server = HttpServer::Start(
        {.address = "127.0.0.1:0", .threads = 2, .limits = limits, .cors_origins = std::move(origins)},
        router_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // The answer to one request on a connection of its own.
  std::string Ask(const std::string& request) {
    Socket socket(server_->port());
    socket.Send(request);
    return socket.ReadAll();
  }

  ExchangePtr AwaitHeld() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](ExchangePtr* held) { return *held != nullptr; }, &held_));
    return std::move(held_);
  }

  Everybody everybody_;
  Router router_{everybody_};
  HttpLimits limits_;
  absl::Mutex mutex_;
  ExchangePtr held_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  Start();
  Socket socket(server_->port());
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
  Socket socket(server_->port());
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

TEST_F(HttpServerTest, ALaterRequestIsRefusedAsTheFirstIs) {
  Start();
  for (const char* const bad : {"nonsense\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n"}) {
    const std::string answers = Ask(absl::StrCat("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", bad));
    EXPECT_THAT(answers, HasSubstr("helloHTTP/1.1 400 Bad Request\r\n")) << bad;
  }
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Start();
  const std::string answer = Ask("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

// What each is answered with, by its first line.
TEST_F(HttpServerTest, RefusesWhatItCannotRead) {
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

TEST_F(HttpServerTest, WhoIsKnownIsToldHowHeStandsWithWhatNoHandlerAnswers) {
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

// What was said of a request does not go with the refusal of the next.
TEST_F(HttpServerTest, ARefusalIsOfTheRequestThatIsRefused) {
  Start({}, {"https://studio.example"});
  Socket socket(server_->port());
  socket.Send(
      "HEAD /hello HTTP/1.1\r\nHost: x\r\nx-request-id: first\r\nOrigin: https://studio.example\r\n\r\n");
  socket.ReadUntil("\r\n\r\n");
  socket.Forget();
  socket.Send("nonsense\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), testing::AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("bad_http"),
                                               Not(HasSubstr("first")), Not(HasSubstr("studio"))));
}

// All bodies together take no more memory than they may, and that is free again when they are answered.
TEST_F(HttpServerTest, BodiesHaveABudgetTogether) {
  HttpLimits limits;
  limits.bodies_bytes = 1000;
  Start(limits);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
  Socket first(server_->port());
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
  Socket waiting(server_->port());
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
TEST_F(HttpServerTest, ABodyThatNobodyWillLookAtIsNotWaitedFor) {
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

TEST_F(HttpServerTest, ARequestThatDoesNotComeInTimeIsGivenUp) {
  HttpLimits limits;
  limits.header_time = std::chrono::seconds(1);
  Start(limits);
  EXPECT_EQ(Ask("GET /hello HT"), "");
  EXPECT_EQ(Ask(""), "");
}

TEST_F(HttpServerTest, AnExchangeThatIsLetGoOfIsAnErrorOfTheServer) {
  Start();
  EXPECT_THAT(Ask("GET /forgotten HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(HttpServerTest, AnAnswerMayComeInParts) {
  Start();
  Socket socket(server_->port());
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

TEST_F(HttpServerTest, AnOldClientGetsThePartsAsTheyAre) {
  Start();
  Socket socket(server_->port());
  socket.Send("GET /held HTTP/1.0\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, nullptr);
  exchange->Send(std::make_shared<const std::string>("one\n"), nullptr);
  exchange->End();
  const std::string answer = socket.ReadAll();
  EXPECT_THAT(answer, EndsWith("\r\n\r\none\n"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, WhileNothingIsSentTheHeartbeatIs) {
  HttpLimits limits;
  limits.heartbeat = std::chrono::seconds(0);
  Start(limits);
  Socket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  exchange->Begin({.content_type = "text/event-stream"}, std::make_shared<const std::string>(": ping\n\n"));
  socket.ReadUntil(": ping\n\n\r\n8\r\n: ping");
  exchange->Send(std::make_shared<const std::string>("one\n"), nullptr);
  exchange->End();
  EXPECT_THAT(socket.ReadUntil("0\r\n\r\n"), HasSubstr("one\n"));
}

TEST_F(HttpServerTest, TheNextStreamOfAConnectionHasHeartbeatsToo) {
  HttpLimits limits;
  limits.heartbeat = std::chrono::seconds(0);
  Start(limits);
  Socket socket(server_->port());
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
TEST_F(HttpServerTest, ALargePartComesWhole) {
  Start();
  Socket socket(server_->port());
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

TEST_F(HttpServerTest, ACallerWhoGoesIsNoticed) {
  Start();
  for (const bool began : {false, true}) {
    Socket socket(server_->port());
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

TEST_F(HttpServerTest, WhoWatchesLateStillHearsThatTheCallerHasGone) {
  Start();
  ExchangePtr exchange;
  {
    Socket socket(server_->port());
    socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    exchange = AwaitHeld();
  }
  while (server_->connections() > 1) {
  }
  absl::Notification gone;
  exchange->OnGone([&] { gone.Notify(); });
  gone.WaitForNotification();
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
  Socket socket(server_->port());
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
