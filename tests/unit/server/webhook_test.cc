#include "server/generation/webhook.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

class FakeSender : public WebhookSender {
 public:
  void Send(const v1::Job& job, std::weak_ptr<const void> on_behalf_of,
            std::function<void(bool)> settled) override {
    sent.push_back(job);
    owners.push_back(std::move(on_behalf_of));
    settle = std::move(settled);
  }
  std::vector<v1::Job> sent;
  std::vector<std::weak_ptr<const void>> owners;
  std::function<void(bool)> settle;
};

class WebhookTest : public ServiceRig {
 protected:
  WebhookTest() {
    options_.limits.webhook_origins = {"https://studio.example", "http://127.0.0.1:9000"};
    options_.webhooks = &sender_;
  }
  static v1::JobRequest Hooked(const std::string& url) {
    v1::JobRequest request = SmallRequest();
    request.set_webhook_url(url);
    return request;
  }
  FakeSender sender_;
};

TEST_F(WebhookTest, OnlyAllowedOriginsAreTaken) {
  Connect("w", 1);
  EXPECT_TRUE(Submit(Hooked("https://studio.example/done")).ok());
  EXPECT_TRUE(Submit(Hooked("https://studio.example:443/done")).ok());
  EXPECT_TRUE(Submit(Hooked("http://127.0.0.1:9000")).ok());
  for (const char* const other :
       {"http://studio.example/", "https://studio.example:444/", "https://studio.example.evil/",
        "https://studio.example@evil/", "http://127.0.0.1:9001/", "http://169.254.169.254/",
        "file:///etc/passwd"}) {
    EXPECT_EQ(Submit(Hooked(other)).status().code(), absl::StatusCode::kInvalidArgument) << other;
  }
  EXPECT_THAT(Submit(Hooked("http://evil/")).status().message(),
              HasSubstr("http://evil:80 given; allowed are https://studio.example, http://127.0.0.1:9000"));
}

TEST_F(WebhookTest, WithoutAFlagNobodyIsTold) {
  options_.limits.webhook_origins.clear();
  Connect("w", 1);
  EXPECT_THAT(Submit(Hooked("https://studio.example/")).status().message(),
              HasSubstr("this server tells nobody"));
}

TEST_F(WebhookTest, AnEndIsToldUntilItIsSettledAlsoAfterARestart) {
  auto worker = Connect("w", 1);
  const std::string id = Create(Hooked("https://studio.example/done"));
  EXPECT_EQ(Get(id)->webhook_url(), "https://studio.example/done");
  EXPECT_TRUE(sender_.sent.empty());
  Finish(worker, id);
  ASSERT_EQ(sender_.sent.size(), 1U);
  EXPECT_EQ(sender_.sent[0].state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(sender_.sent[0].id(), id);
  Restart();
  ASSERT_EQ(sender_.sent.size(), 2U);
  sender_.settle(true);
  Settle();
  Restart();
  EXPECT_EQ(sender_.sent.size(), 2U);
}

TEST_F(WebhookTest, AServiceThatIsGoneHasNothingTold) {
  const auto worker = Connect("w", 1);
  Finish(worker, Create(Hooked("https://studio.example/done")));
  ASSERT_EQ(sender_.owners.size(), 1U);
  EXPECT_FALSE(sender_.owners[0].expired());
  Restart();
  ASSERT_EQ(sender_.owners.size(), 2U);
  EXPECT_TRUE(sender_.owners[0].expired());
  EXPECT_FALSE(sender_.owners[1].expired());
}

TEST_F(WebhookTest, AJobWithoutOneTellsNobody) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  Restart();
  EXPECT_TRUE(sender_.sent.empty());
}

}  // namespace
}  // namespace mind::server
