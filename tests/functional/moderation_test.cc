// A moderation service that refuses, hangs, dies and comes back, beside real servers and workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/support/loopback.h"
#include "tests/support/moderation_service.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using support::ModerationService;
using Behaviour = ModerationService::Behaviour;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason() : "";
}

v1::Job Ended(client::Client& client, const std::string& id) {
  const auto ended = client.Watch(id, {});
  EXPECT_TRUE(ended.ok()) << ended.status();
  return ended.value_or(v1::Job());
}

// Longer than any of it takes; with several servers none may be so long.
std::string LongTimeout() {
  return StoreIsPostgres() ? "8s" : "30s";
}

TEST(Moderation, RefusesPromptsAndPicturesWithOneReason) {
  ModerationService service;
  Cluster cluster({"--moderation", service.address(), "--http", "127.0.0.1:0"});
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  service.Be(Behaviour::kRefusesTheBad);
  const absl::Status refused = client->Create(Request("a bad thing", 1)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "MODERATION_BLOCKED");
  EXPECT_EQ(client->List(10)->size(), 0U);
  EXPECT_EQ(Ended(*client, CreateJob(*client, Request("a fish", 1))).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(service.last_image().data(), StartsWith("\x89PNG"));

  service.Be(Behaviour::kRefusesPictures);
  const std::string id = CreateJob(*client, Request("a fish", 2));
  const v1::Job failed = Ended(*client, id);
  EXPECT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ReasonOf(FromProto(failed.error())), "MODERATION_BLOCKED");
  EXPECT_EQ(ReasonOf(client->GetImage(id, 0).status()), "JOB_ENDED");
  EXPECT_EQ(cluster.ServerMetric("mind_images_generated_total"), 1);
  EXPECT_EQ(cluster.ServerMetric("mind_request_rejections_total", "MODERATION_BLOCKED"), 1);

  // As clients of OpenAI's know it, whether it was the prompt or the picture.
  const std::string line = cluster.server().AwaitLine("http on port ");
  const int port = std::atoi(line.c_str() + line.find("port ") + 5);
  for (const Behaviour behaviour : {Behaviour::kRefuses, Behaviour::kRefusesPictures}) {
    service.Be(behaviour);
    const std::string body = R"({"model":"emoji","prompt":"a fish","size":"64x64"})";
    const std::string answer = support::Ask(
        support::Connect(port),
        absl::StrCat("POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                     "connection: close\r\ncontent-length: ",
                     body.size(), "\r\n\r\n", body));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(answer, HasSubstr(R"("code":"moderation_blocked")"));
    EXPECT_THAT(answer, HasSubstr(R"("type":"image_generation_user_error")"));
  }
}

TEST(Moderation, AServiceThatHangsHoldsUpNobodyElse) {
  ModerationService service;
  service.Be(Behaviour::kHangs);
  Cluster cluster({"--moderation", service.address(), "--moderation-timeout", "200ms"});
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const absl::Status refused = client->Create(Request("a fish", 1)).status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "MODERATION_UNAVAILABLE");
  EXPECT_TRUE(GetRetryDelay(refused));
  // Meanwhile all else is answered.
  std::thread asking([&] { client->Create(Request("a fish", 2)).IgnoreError(); });
  service.AwaitQuestions(2);
  EXPECT_TRUE(cluster.NewClient()->Workers().ok());
  asking.join();
  // It is asked again, and answers.
  service.Be(Behaviour::kAllows);
  EXPECT_EQ(Ended(*client, CreateJob(*client, Request("a fish", 3))).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(Moderation, APictureWaitsForAServiceThatDiesAndComesBack) {
  ModerationService service;
  Cluster cluster({"--moderation", service.address(), "--moderation-timeout", LongTimeout()});
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string id = CreateJob(*client, Request("a fish", 1, 100));
  service.Stop();
  EXPECT_EQ(ReasonOf(client->Create(Request("a fish", 2)).status()), "MODERATION_UNAVAILABLE");
  Await("the picture", [&] { return cluster.WorkerMetric("w", "mind_worker_images_total") == 1; });
  EXPECT_EQ(JobNow(*client, id).state(), v1::JOB_STATE_RUNNING);
  service.Start();
  EXPECT_EQ(Ended(*client, id).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(Moderation, WhatIsNotAnsweredIsAllowedWhereThatIsSaid) {
  std::string nowhere;
  { nowhere = ModerationService().address(); }
  Cluster cluster({"--moderation", nowhere, "--moderation-timeout", "100ms", "--moderation-open"});
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  EXPECT_EQ(Ended(*client, CreateJob(*client, Request("a fish", 1))).state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(cluster.ServerMetric("mind_moderated_images_total", "failed"), 1);
  EXPECT_EQ(cluster.ServerMetric("mind_moderated_prompts_total", "failed"), 1);
}

TEST(Moderation, AServerThatGoesDownWhileItAsksMakesThePictureAfterwards) {
  ModerationService service;
  Cluster cluster(
      {"--moderation", service.address(), "--moderation-timeout", LongTimeout(), "--grace", "1s"});
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string id = CreateJob(*client, Request("a fish", 1, 100));
  service.Be(Behaviour::kHangs);
  service.AwaitQuestions(2);  // about the prompt, and about the picture
  cluster.KillServer(SIGTERM);
  service.Be(Behaviour::kAllows);
  cluster.StartServer();
  EXPECT_EQ(Ended(*cluster.NewClient(), id).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(Moderation, WhatLeavesTheMachineInTheClearIsRefused) {
  const support::TemporaryFolder folder;
  support::Process server({absl::StrCat(MIND_BIN, "/mind-server"), "--listen", "127.0.0.1:0", "--metrics",
                           "127.0.0.1:0", "--data", folder / "data", "--moderation", "10.0.0.1:7000"},
                          folder / "server");
  EXPECT_EQ(server.Wait(), 1);
  EXPECT_THAT(server.Errors(), HasSubstr("--moderation-ca"));
}

}  // namespace
}  // namespace mind::testing
