#include "server/moderation/moderation_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "proto/support/errors.h"
#include "tests/support/moderation_service.h"

namespace mind::server {
namespace {

using support::ModerationService;
using Behaviour = ModerationService::Behaviour;

class ModerationClientTest : public testing::Test {
 protected:
  ModerationClientTest() {
    options_.credentials = grpc::InsecureChannelCredentials();
    options_.address = service_.address();
    options_.timeout = absl::Seconds(60);
  }
  ModerationClient& client() {
    if (client_ == nullptr) client_ = std::make_unique<ModerationClient>(options_, registry_);
    return *client_;
  }
  // Asks, and gives what will be said.
  struct Verdict {
    absl::Notification given;
    absl::Status status;

    const absl::Status& Await() {
      given.WaitForNotification();
      return status;
    }
    std::string Reason() {
      const auto info = GetErrorInfo(Await());
      return info ? info->reason() : "";
    }
  };
  static Moderator::Done Tell(const std::shared_ptr<Verdict>& verdict) {
    return [verdict](const absl::Status& status) {
      verdict->status = status;
      verdict->given.Notify();
    };
  }
  std::shared_ptr<Verdict> AskPrompt(const std::string& prompt) {
    const auto verdict = std::make_shared<Verdict>();
    const auto request = std::make_shared<v1::CheckPromptRequest>();
    request->mutable_spec()->set_prompt(prompt);
    client().CheckPrompt(request, {}, Tell(verdict));
    return verdict;
  }
  std::shared_ptr<Verdict> AskImage(const std::string& data) {
    const auto verdict = std::make_shared<Verdict>();
    const auto request = std::make_shared<v1::CheckImageRequest>();
    request->set_data(data);
    client().CheckImage(request, {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=x"},
                        Tell(verdict));
    return verdict;
  }
  double Counted(const std::string& name, const std::string& outcome) const {
    for (const auto& family : registry_.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (metric.label.at(0).value == outcome) return metric.counter.value;
      }
    }
    return 0;
  }

  ModerationService service_;
  prometheus::Registry registry_;
  ModerationClient::Options options_;
  std::unique_ptr<ModerationClient> client_;
};

TEST_F(ModerationClientTest, GivesTheVerdict) {
  EXPECT_TRUE(AskPrompt("a cat")->Await().ok());
  service_.Be(Behaviour::kRefuses);
  const auto prompt = AskPrompt("a cat"), picture = AskImage("picture");
  for (const auto& [verdict, subject] : {std::pair(prompt, "prompt"), std::pair(picture, "picture")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(verdict->Await())) << verdict->status;
    const auto info = GetErrorInfo(verdict->status);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->reason(), "MODERATION_BLOCKED");
    EXPECT_EQ(info->metadata().at("subject"), subject);
    EXPECT_EQ(info->metadata().at("category"), "violence/graphic?");
  }
  EXPECT_EQ(service_.traceparent().substr(3, 32), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(service_.tracestate(), "vendor=x");
  EXPECT_EQ(Counted("mind_moderated_prompts_total", "allowed"), 1);
  EXPECT_EQ(Counted("mind_moderated_prompts_total", "refused"), 1);
  EXPECT_EQ(Counted("mind_moderated_images_total", "refused"), 1);
}

TEST_F(ModerationClientTest, WhatIsNotAnsweredGoesAsTheFlagSays) {
  options_.timeout = absl::Milliseconds(50);
  for (const bool open : {false, true}) {
    options_.open = open;
    client_.reset();
    for (const Behaviour behaviour : {Behaviour::kHangs, Behaviour::kFails, Behaviour::kSaysNothing}) {
      service_.Be(behaviour);
      for (const auto& verdict : {AskPrompt("a cat"), AskImage("picture")}) {
        EXPECT_EQ(verdict->Await().ok(), open) << verdict->status;
        EXPECT_EQ(verdict->Reason(), open ? "" : "MODERATION_UNAVAILABLE");
        EXPECT_EQ(GetRetryDelay(verdict->status).has_value(), !open);
      }
    }
  }
  EXPECT_EQ(Counted("mind_moderated_images_total", "failed"), 6);
}

TEST_F(ModerationClientTest, APromptDoesNotWaitForAServiceThatIsAwayAPictureDoes) {
  service_.Stop();
  EXPECT_EQ(AskPrompt("a cat")->Reason(), "MODERATION_UNAVAILABLE");
  const auto picture = AskImage("picture");
  service_.Start();
  EXPECT_TRUE(picture->Await().ok()) << picture->status;
}

TEST_F(ModerationClientTest, APictureIsAskedAboutAgainWhereTheServiceGoesMeanwhile) {
  service_.Be(Behaviour::kHangs);
  const auto picture = AskImage("picture");
  service_.AwaitQuestions(1);
  service_.Stop();
  service_.Be(Behaviour::kAllows);
  service_.Start();
  EXPECT_TRUE(picture->Await().ok()) << picture->status;
}

TEST_F(ModerationClientTest, FewAreUnderWayAndAllAreAnswered) {
  options_.prompts_at_once = 2;
  service_.Be(Behaviour::kHangs);
  std::vector<std::shared_ptr<Verdict>> verdicts;
  for (int i = 0; i < 20; ++i) verdicts.push_back(AskPrompt("a cat"));
  service_.AwaitQuestions(2);
  service_.Be(Behaviour::kAllows);
  for (const auto& verdict : verdicts) EXPECT_TRUE(verdict->Await().ok()) << verdict->status;
  EXPECT_EQ(service_.most_at_once(), 2);
}

TEST_F(ModerationClientTest, WhatIsUnderWayEndsWithIt) {
  service_.Be(Behaviour::kHangs);
  options_.prompts_at_once = 1;
  const auto first = AskPrompt("a cat"), waiting = AskPrompt("a dog"), picture = AskImage("picture");
  client_.reset();
  for (const auto& verdict : {first, waiting, picture}) {
    EXPECT_TRUE(verdict->given.HasBeenNotified());
    EXPECT_EQ(verdict->Reason(), "MODERATION_UNAVAILABLE");
  }
}

}  // namespace
}  // namespace mind::server
