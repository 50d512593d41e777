// Cancelling, deadlines, full queues.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "mind/v1/generation.grpc.pb.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

constexpr uint32_t kLongSteps = 1000;

TEST(Limits, ACancelledJobStopsWithinAStep) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string id = CreateJob(*client, Request("a cat", 1, kLongSteps));
  Await("work in progress", [&] { return JobNow(*client, id).steps_done() > 2; });
  const auto job = client->Cancel(id);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_CANCELLED);
  Await("the worker to be idle", [&] { return RunningImages(*client) == 0; });
  // Far from all of them.
  EXPECT_LT(cluster.WorkerMetric("w", "mind_denoise_steps_total"), kLongSteps / 2);
  const auto again = client->Cancel(id);
  ASSERT_TRUE(again.ok()) << again.status();  // no error
  EXPECT_EQ(again->state(), v1::JOB_STATE_CANCELLED);
}

TEST(Limits, AWaitingJobIsCancelledAtOnce) {
  Cluster cluster;
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  const std::string running = CreateJob(*client, Request("a cat", 1, kLongSteps));
  const std::string waiting = CreateJob(*client, Request("a dog", 1, kLongSteps));
  EXPECT_EQ(JobNow(*client, waiting).state(), v1::JOB_STATE_QUEUED);
  const auto cancelled = client->Cancel(waiting);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::JOB_STATE_CANCELLED);  // when the call returns
  EXPECT_EQ(cancelled->attempt(), 0U);
  EXPECT_EQ(JobNow(*client, running).state(), v1::JOB_STATE_RUNNING);
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
    const auto job = client->Generate(Request("a cat", 1, kLongSteps), {.event =
                                                                            [&](const v1::JobEvent& event) {
                                                                              if (event.has_progress())
                                                                                client->Stop();
                                                                            },
                                                                        .picture = nullptr});
    EXPECT_TRUE(absl::IsCancelled(job.status())) << job.status();
  });
  caller.join();
  const auto other = cluster.NewClient();
  Await("the job to be cancelled", [&] {
    const auto jobs = other->List(1);
    return jobs.ok() && jobs->size() == 1 && jobs->front().state() == v1::JOB_STATE_CANCELLED;
  });
}

TEST(Limits, ADeadlineThatPassesWhileRunningEndsTheJob) {
  Cluster cluster;
  cluster.StartWorker("w");
  v1::JobRequest request = Request("a cat", 1, kLongSteps);
  *request.mutable_deadline() = ToTimestamp(absl::Now() + absl::Seconds(1));
  const auto job = cluster.NewClient()->Generate(request, {});
  EXPECT_TRUE(absl::IsDeadlineExceeded(job.status())) << job.status();
  const auto info = GetErrorInfo(job.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "DEADLINE_EXCEEDED");
  const auto client = cluster.NewClient();
  Await("the worker to be idle", [&] { return RunningImages(*client) == 0; });
}

TEST(Limits, TheDeadlineOfACallIsItsJobs) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto stub = v1::GenerationService::NewStub(
      grpc::CreateChannel(cluster.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  v1::GenerateImageRequest request;
  *request.mutable_job() = Request("a cat", 1, kLongSteps);
  const auto reader = stub->GenerateImage(&context, request);
  v1::GenerateImageResponse response;
  std::string id;
  while (reader->Read(&response)) id = response.event().job_id();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const auto client = cluster.NewClient();
  Await("the job to end", [&] { return JobNow(*client, id).state() == v1::JOB_STATE_FAILED; });
  EXPECT_EQ(JobNow(*client, id).error().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
}

TEST(Limits, AFullQueueSaysWhenToTryAgain) {
  Cluster cluster({"--max-queue", "2"});
  cluster.StartWorker("w", {"--max-images", "1"});
  const auto client = cluster.NewClient();
  std::vector<std::string> jobs;
  for (uint64_t i = 0; i < 3; ++i) jobs.push_back(CreateJob(*client, Request("a cat", i, kLongSteps)));
  const absl::Status refused = client->Create(Request("a cat", 9, kLongSteps)).status();
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
  v1::JobRequest low = Request("a cat", 1, kLongSteps);
  low.set_priority(v1::PRIORITY_LOW);
  const std::string id = CreateJob(*client, low);
  v1::JobRequest high = Request("a dog", 1);
  high.set_priority(v1::PRIORITY_HIGH);
  ASSERT_TRUE(client->Generate(high, {}).ok());
  EXPECT_EQ(JobNow(*client, id).state(), v1::JOB_STATE_RUNNING);
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
  EXPECT_EQ(JobNow(*client, job->id()).state(), v1::JOB_STATE_QUEUED);
  cluster.StartWorker("w");
  EXPECT_TRUE(client->Watch(job->id(), {}).ok());
}

}  // namespace
}  // namespace mind::testing
