// Cancelling, deadlines, full queues.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

constexpr uint32_t kLong = 1000;  // steps

TEST(Limits, ACancelledJobStopsWithinAStep) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string id = client->Create(Request("a cat", 1, kLong))->id();
  Await("work in progress", [&] { return client->Get(id)->steps_done() > 2; });
  const auto job = client->Cancel(id);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_CANCELLED);
  const double steps = cluster.WorkerMetric("w", "mind_denoise_steps_total");
  Await("the worker to be idle", [&] { return client->Workers()->front().running_images() == 0; });
  EXPECT_LE(cluster.WorkerMetric("w", "mind_denoise_steps_total") - steps, 2);
  EXPECT_EQ(client->Cancel(id)->state(), v1::JOB_STATE_CANCELLED);  // again is no error
}

TEST(Limits, AWaitingJobIsCancelledAtOnce) {
  Cluster cluster;
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  const std::string running = client->Create(Request("a cat", 1, kLong))->id();
  const std::string waiting = client->Create(Request("a dog", 1, kLong))->id();
  EXPECT_EQ(client->Cancel(waiting)->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(client->Cancel(running)->state(), v1::JOB_STATE_CANCELLED);
}

TEST(Limits, AnEndedJobCannotBeCancelled) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto job = client->Generate(Request("a cat", 1), {});
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Cancel(job->id()).status()));
}

TEST(Limits, ACallerThatLeavesCancelsItsJob) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  std::thread caller([&] {
    const auto job = client->Generate(Request("a cat", 1, kLong), {.event =
                                                                       [&](const v1::JobEvent& event) {
                                                                         if (event.has_progress())
                                                                           client->Stop();
                                                                       },
                                                                   .picture = nullptr});
    EXPECT_TRUE(absl::IsCancelled(job.status())) << job.status();
  });
  caller.join();
  const auto other = cluster.NewClient();
  Await("the job to be cancelled",
        [&] { return other->List(1)->front().state() == v1::JOB_STATE_CANCELLED; });
}

TEST(Limits, ADeadlineThatPassesWhileRunningEndsTheJob) {
  Cluster cluster;
  cluster.StartWorker("w");
  v1::JobRequest request = Request("a cat", 1, kLong);
  *request.mutable_deadline() = ToTimestamp(absl::Now() + absl::Seconds(1));
  const auto job = cluster.NewClient()->Generate(request, {});
  EXPECT_TRUE(absl::IsDeadlineExceeded(job.status())) << job.status();
  EXPECT_EQ(GetErrorInfo(job.status())->reason(), "DEADLINE_EXCEEDED");
  Await("the worker to be idle",
        [&] { return cluster.NewClient()->Workers()->front().running_images() == 0; });
}

TEST(Limits, AFullQueueSaysWhenToTryAgain) {
  Cluster cluster({"--max-queue", "2"});
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  std::vector<std::string> jobs;
  for (uint64_t i = 0; i < 3; ++i) jobs.push_back(client->Create(Request("a cat", i, kLong))->id());
  const absl::Status refused = client->Create(Request("a cat", 9, kLong)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  ASSERT_TRUE(GetRetryDelay(refused).has_value());
  EXPECT_GE(*GetRetryDelay(refused), absl::Seconds(1));
  EXPECT_EQ(cluster.ServerMetric("mind_request_rejections_total", "QUEUE_FULL"), 1);
  for (const std::string& id : jobs) EXPECT_TRUE(client->Cancel(id).ok());
}

TEST(Limits, AHighPriorityJobDoesNotWaitForALowOne) {
  Cluster cluster;
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  v1::JobRequest low = Request("a cat", 1, kLong);
  low.set_priority(v1::PRIORITY_LOW);
  const std::string id = client->Create(low)->id();
  v1::JobRequest high = Request("a dog", 1);
  high.set_priority(v1::PRIORITY_HIGH);
  ASSERT_TRUE(client->Generate(high, {}).ok());
  EXPECT_EQ(client->Get(id)->state(), v1::JOB_STATE_RUNNING);
}

TEST(Limits, WithoutAWorkerAJobWaitsForOne) {
  Cluster cluster;
  const auto client = cluster.NewClient();
  EXPECT_TRUE(absl::IsUnavailable(client->Create(Request("a cat", 1)).status()));  // no model known yet
  cluster.StartWorker("w");
  cluster.KillWorker("w", 9);
  cluster.AwaitWorkers(0);
  const auto job = client->Create(Request("a cat", 1));  // known from before
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(cluster.NewClient()->Get(job->id())->state(), v1::JOB_STATE_QUEUED);
  cluster.StartWorker("w");
  EXPECT_TRUE(client->Watch(job->id(), {}).ok());
}

}  // namespace
}  // namespace mind::testing
