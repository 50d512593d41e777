// HTTP over TLS, over real sockets.
#include "server/http/http_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/http/http_server.h"
#include "tests/support/certificates.h"
#include "tests/support/everybody.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tls_socket.h"

namespace mind::server {
namespace {

using support::TlsSocket;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kHello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kLastHello[] = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() {
    router_.Add("GET", "/hello", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", exchange->request().encrypted ? "hello" : "plain"));
    });
    router_.Add("GET", "/v2/health/live", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", "alive"));
    });
    router_.Add("POST", "/echo", [](const ExchangePtr& exchange, const Router::Arguments&) {
      exchange->Answer(Answered(200, "text/plain", exchange->request().body));
    });
    router_.Add("GET", "/held", [this](const ExchangePtr& exchange, const Router::Arguments&) {
      const absl::MutexLock lock(&mutex_);
      held_ = exchange;
    });
    router_.SetNobody("/", [](const ExchangePtr& exchange, const std::string&) {
      exchange->Answer(Answered(404, "text/plain", "nobody"));
    });
    support::ReplaceFile(Path("ca.crt"), authority_.certificate());
    authority_.IssueForLoopback("first").Write(Path("server"));
    auto identity = TlsIdentity::Load(Path("server.crt"), Path("server.key"));
    EXPECT_TRUE(identity.ok()) << identity.status();
    identity_ = *std::move(identity);
  }

  std::string Path(const char* name) const { return folder_ / name; }
  void Start(bool ask_clients = false, bool required = true) {
    HttpTls tls{.identity = identity_, .required = required};
    if (ask_clients) tls.clients = *CertificateJudge::Create(CertificateJudge::Peer::kClient, Path("ca.crt"));
    tls.refused = [this](const absl::Status& status) {
      const absl::MutexLock lock(&mutex_);
      refused_ = std::string(status.message());
    };
    auto server = HttpServer::Start({.address = "127.0.0.1:0", .threads = 2, .tls = tls}, router_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Ask(const std::string& request, const support::KeyAndCertificate& own = {}) {
    TlsSocket socket(server_->port(), own);
    socket.Send(request);
    return socket.ReadAll();
  }
  ExchangePtr AwaitHeld() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](ExchangePtr* held) { return *held != nullptr; }, &held_));
    return std::move(held_);
  }
  std::string Refused() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::string* refused) { return !refused->empty(); }, &refused_));
    return refused_;
  }

  const support::TemporaryFolder folder_;
  const support::Authority authority_{"ours"};
  std::shared_ptr<TlsIdentity> identity_;
  Everybody everybody_;
  Router router_{everybody_};
  absl::Mutex mutex_;
  ExchangePtr held_;
  std::string refused_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTlsTest, RequestsAreAnsweredOneAfterTheOther) {
  Start();
  TlsSocket socket(server_->port());
  ASSERT_TRUE(socket.connected());
  for (int i = 0; i < 3; ++i) {
    socket.Forget();
    socket.Send(kHello);
    EXPECT_THAT(socket.ReadUntil("hello"), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("hello")));
  }
  socket.Forget();
  socket.Send(absl::StrCat(kHello, kHello, kLastHello));  // all at once
  const std::string answers = socket.ReadAll();
  EXPECT_THAT(answers, EndsWith("hello"));
  size_t count = 0;
  for (size_t at = 0; (at = answers.find("HTTP/1.1 200", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 3U);
}

TEST_F(HttpTlsTest, ALargeBodyGoesThereAndBack) {
  Start();
  const std::string body(3'000'000, 'x');
  EXPECT_THAT(Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ",
                               body.size(), "\r\n\r\n", body)),
              EndsWith(body));
}

// A reset would take the answer from who still sends.
TEST_F(HttpTlsTest, WhoSendsTooMuchReadsThatHeDoes) {
  Start();
  const std::string much(8 << 20, 'x');
  EXPECT_THAT(Ask(absl::StrCat("GET /hello HTTP/1.1\r\nHost: x\r\nX: ", much, "\r\n\r\n")),
              AllOf(StartsWith("HTTP/1.1 431"), HasSubstr("header_too_large")));
  EXPECT_THAT(Ask(absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n", much)),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("body_too_large")));
}

TEST_F(HttpTlsTest, TheProtocolIsHttp11OrNone) {
  Start();
  EXPECT_EQ(TlsSocket(server_->port(), {}, "\x02h2\x08http/1.1").protocol(), "http/1.1");
  EXPECT_EQ(TlsSocket(server_->port()).protocol(), "");
  EXPECT_FALSE(TlsSocket(server_->port(), {}, "\x02h2").connected());
}

TEST_F(HttpTlsTest, AnAnswerComesInPartsAndTheNextRequestMayWaitForIt) {
  Start();
  TlsSocket socket(server_->port());
  socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
  const ExchangePtr exchange = AwaitHeld();
  socket.Send(kLastHello);
  exchange->Begin({.content_type = "text/plain"}, nullptr);
  for (const char* const part : {"one,", "two,"}) {
    absl::Notification sent;
    exchange->Send(std::make_shared<const std::string>(part), [&sent] { sent.Notify(); });
    sent.WaitForNotification();
  }
  EXPECT_THAT(socket.ReadUntil("two,"), HasSubstr("one,"));
  exchange->End();
  EXPECT_THAT(socket.ReadAll(), EndsWith("hello"));
}

TEST_F(HttpTlsTest, ACallerWhoGoesIsNoticed) {
  Start();
  for (const bool with_a_word : {true, false}) {
    TlsSocket socket(server_->port());
    socket.Send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    const ExchangePtr exchange = AwaitHeld();
    absl::Notification gone;
    exchange->OnGone([&gone] { gone.Notify(); });
    if (with_a_word) socket.Shutdown();
    socket.Drop();
    gone.WaitForNotification();
  }
}

TEST_F(HttpTlsTest, WhoSpeaksPlainHttpIsToldSo) {
  Start();
  EXPECT_THAT(support::Ask(support::Connect(server_->port()), kLastHello),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("this port speaks https")));
  EXPECT_THAT(Refused(), HasSubstr("http request"));
}

TEST_F(HttpTlsTest, ClientsAreLetInByTheirCertificates) {
  Start(true);
  const absl::Time now = absl::Now();
  const support::Authority other("others"), between("between", authority_);
  EXPECT_THAT(Ask(kLastHello, authority_.Issue({})), EndsWith("hello"));
  EXPECT_THAT(Ask(kLastHello, between.Issue({})), EndsWith("hello"));
  EXPECT_THAT(Ask(kHello), AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("client_certificate_refused"),
                                 HasSubstr("for those who show a certificate")));
  EXPECT_THAT(Ask(kHello, authority_.Issue({.name = "old",
                                            .not_before = now - absl::Hours(2),
                                            .not_after = now - absl::Hours(1)})),
              HasSubstr("the client's certificate (CN=old) expired on"));
  EXPECT_THAT(
      Ask(kHello, other.Issue({.name = "strange"})),
      AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("(CN=strange) is by an authority that is not among")));
  EXPECT_THAT(Refused(), HasSubstr("(CN=strange)"));
  EXPECT_THAT(Ask("GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), EndsWith("alive"));
}

TEST_F(HttpTlsTest, WhereNoneIsRequiredOnlyBadOnesAreRefused) {
  Start(true, false);
  EXPECT_THAT(Ask(kLastHello), EndsWith("hello"));
  EXPECT_THAT(Ask(kHello, support::Authority("others").Issue({})), StartsWith("HTTP/1.1 401"));
}

TEST_F(HttpTlsTest, AReplacedCertificateIsShownToThoseWhoComeThen) {
  Start();
  TlsSocket before(server_->port());
  EXPECT_THAT(before.subject(), HasSubstr("first"));
  authority_.IssueForLoopback("second").Write(Path("server"));
  EXPECT_TRUE(identity_->ReadAgain());
  EXPECT_THAT(TlsSocket(server_->port()).subject(), HasSubstr("second"));
  before.Send(kLastHello);
  EXPECT_THAT(before.ReadAll(), EndsWith("hello"));
}

}  // namespace
}  // namespace mind::server
