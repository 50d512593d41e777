#include "server/webhooks/webhook_deliverer.h"

#include <gmock/gmock.h>

#include <atomic>
#include <deque>
#include <fstream>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "nlohmann/json.hpp"
#include "proto/support/digest.h"
#include "proto/support/time.h"
#include "server/http/http_server.h"
#include "tests/support/everybody.h"
#include "tests/support/temporary_folder.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

// Whoever is told: answers with the statuses that a test gives, then with 204.
class Receiver {
 public:
  explicit Receiver(std::deque<int> statuses = {}) : statuses_(std::move(statuses)) {
    router_.Add("POST", "/hook", [this](const ExchangePtr& exchange, const Router::Arguments&) {
      const absl::MutexLock lock(&mutex_);
      requests_.push_back(exchange->request());
      int status = 204;
      if (!statuses_.empty()) {
        status = statuses_.front();
        statuses_.pop_front();
      }
      exchange->Answer({.status = status, .content_type = "", .headers = {{"location", "/elsewhere"}}});
    });
    router_.SetNobody("/", [this](const ExchangePtr& exchange, const std::string&) {
      ++elsewhere_;
      exchange->Answer({.status = 204, .content_type = ""});
    });
    server_ = *HttpServer::Start({.address = "127.0.0.1:0"}, router_);
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", server_->port(), "/hook"); }
  std::vector<HttpRequest> requests() const {
    const absl::MutexLock lock(&mutex_);
    return requests_;
  }
  int elsewhere() const { return elsewhere_; }

 private:
  mutable absl::Mutex mutex_;
  std::deque<int> statuses_;
  std::vector<HttpRequest> requests_;
  std::atomic<int> elsewhere_ = 0;
  Everybody everybody_;
  Router router_{everybody_};
  std::unique_ptr<HttpServer> server_;
};

WebhookDeliverer::Options Fast() {
  return {.secrets = {std::string(32, 'a'), std::string(32, 'b')},
          .first_pause = absl::Milliseconds(1),
          .longest_pause = absl::Milliseconds(2),
          .attempts = 4};
}

v1::Job JobFor(const std::string& url) {
  v1::Job job;
  job.set_id("job-1");
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  job.mutable_spec()->set_prompt("一个红苹果");
  job.set_webhook_url(url);
  return job;
}

const std::shared_ptr<const void> kSomebody = std::make_shared<const int>(0);

// Whether it was delivered, when that is settled.
bool Deliver(WebhookDeliverer& deliverer, const v1::Job& job) {
  absl::Notification settled;
  bool delivered = false;
  deliverer.Send(job, kSomebody, [&](bool success) {
    delivered = success;
    settled.Notify();
  });
  settled.WaitForNotification();
  return delivered;
}

TEST(WebhookDeliverer, SendsTheJobSignedWithEachSecret) {
  Receiver receiver;
  WebhookDeliverer deliverer(Fast());
  EXPECT_TRUE(Deliver(deliverer, JobFor(receiver.url())));
  ASSERT_EQ(receiver.requests().size(), 1U);
  const HttpRequest request = receiver.requests()[0];
  EXPECT_EQ(request.Header("content-type"), "application/json");
  EXPECT_EQ(request.Header("webhook-id"), "job-1");
  EXPECT_EQ(nlohmann::json::parse(request.body)["state"], "JOB_STATE_SUCCEEDED");
  EXPECT_EQ(nlohmann::json::parse(request.body)["spec"]["prompt"], "一个红苹果");
  const std::string text = absl::StrCat("job-1.", request.Header("webhook-timestamp"), ".", request.body);
  EXPECT_EQ(request.Header("webhook-signature"),
            absl::StrCat("v1,", absl::Base64Escape(HmacSha256(std::string(32, 'a'), text)), " v1,",
                         absl::Base64Escape(HmacSha256(std::string(32, 'b'), text))));
}

// The example of the specification.
TEST(WebhookDeliverer, SignsAsTheSpecificationDoes) {
  std::string secret;
  ASSERT_TRUE(absl::Base64Unescape("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &secret));
  EXPECT_EQ(WebhookSignature({secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookDeliverer, RepeatsWhatIsNotAnsweredWithSuccess) {
  Receiver receiver({500, 302});
  WebhookDeliverer deliverer(Fast());
  EXPECT_TRUE(Deliver(deliverer, JobFor(receiver.url())));
  const std::vector<HttpRequest> requests = receiver.requests();
  ASSERT_EQ(requests.size(), 3U);
  for (const HttpRequest& request : requests) EXPECT_EQ(request.Header("webhook-id"), "job-1");
  EXPECT_EQ(receiver.elsewhere(), 0);  // where an answer leads is not followed
}

TEST(WebhookDeliverer, GivesUpAfterTheLastAttempt) {
  Receiver receiver({500, 500, 500, 500, 500});
  WebhookDeliverer deliverer(Fast());
  EXPECT_FALSE(Deliver(deliverer, JobFor(receiver.url())));
  EXPECT_EQ(receiver.requests().size(), 4U);
}

TEST(WebhookDeliverer, OfWhoIsGoneNothingIsToldAnyMore) {
  Receiver receiver(std::deque<int>(100'000, 500));
  WebhookDeliverer::Options options = Fast();
  options.attempts = 100'000;
  WebhookDeliverer deliverer(options);
  auto owner = std::make_shared<const int>(0);
  absl::Notification dropped;
  {
    const std::shared_ptr<void> known(nullptr, [&](void*) { dropped.Notify(); });
    deliverer.Send(JobFor(receiver.url()), owner, [known](bool) { FAIL(); });
  }
  while (receiver.requests().size() < 2) std::this_thread::yield();
  EXPECT_FALSE(dropped.HasBeenNotified());
  owner.reset();
  dropped.WaitForNotification();
}

TEST(WebhookDeliverer, OneOriginDoesNotHoldUpAnother) {
  int closed = 0;
  {
    Receiver gone;
    absl::SimpleAtoi(gone.url().substr(17, gone.url().size() - 22), &closed);
  }
  Receiver receiver;
  WebhookDeliverer::Options options = Fast();
  options.first_pause = options.longest_pause = absl::Hours(1);
  WebhookDeliverer deliverer(options);
  for (int i = 0; i < 20; ++i) {
    deliverer.Send(JobFor(absl::StrCat("http://127.0.0.1:", closed, "/hook")), kSomebody,
                   [](bool) { FAIL(); });
  }
  EXPECT_TRUE(Deliver(deliverer, JobFor(receiver.url())));
}

TEST(WebhookDeliverer, TrustsNoCertificateThatNobodyVouchesFor) {
  Receiver receiver;  // which does not even speak TLS
  WebhookDeliverer deliverer(Fast());
  EXPECT_FALSE(Deliver(deliverer, JobFor("https" + receiver.url().substr(4))));
  EXPECT_TRUE(receiver.requests().empty());
}

TEST(WebhookDeliverer, ReadsItsSecretsFromAFile) {
  const support::TemporaryFolder folder;
  const std::string path = folder.string() + "/secret";
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return ReadWebhookSecrets(path);
  };
  const std::string one = "whsec_" + absl::Base64Escape(std::string(24, 'x'));
  const std::string two = "whsec_" + absl::Base64Escape(std::string(64, 'y'));
  EXPECT_THAT(*read(one), testing::ElementsAre(std::string(24, 'x')));
  EXPECT_THAT(*read(one + "\n" + two + "\n\n"),
              testing::ElementsAre(std::string(24, 'x'), std::string(64, 'y')));
  for (const std::string& bad :
       {std::string(), std::string("secret"), std::string("whsec_"), std::string("whsec_???"),
        "whsec_" + absl::Base64Escape(std::string(23, 'x')),
        "whsec_" + absl::Base64Escape(std::string(65, 'x')), one + "\n" + two + "\n" + one}) {
    const auto refused = read(bad);
    EXPECT_FALSE(refused.ok()) << bad;
    EXPECT_THAT(refused.status().message(), HasSubstr(path));
    EXPECT_THAT(refused.status().message(), testing::Not(HasSubstr("whsec_eHh4")));  // which might be logged
  }
  EXPECT_FALSE(ReadWebhookSecrets(folder.string() + "/nothing").ok());
  EXPECT_FALSE(WebhookDeliverer::For({"https://a.example"}, "").ok());
  EXPECT_FALSE(WebhookDeliverer::For({"a.example"}, path).ok());
  EXPECT_FALSE(WebhookDeliverer::For({"https://a.example/path"}, path).ok());
  std::ofstream(path) << one;
  EXPECT_TRUE(WebhookDeliverer::For({"https://a.example", "http://b.example:81"}, path).ok());
}

}  // namespace
}  // namespace mind::server
