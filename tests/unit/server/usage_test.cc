// What tenants have used: by the service, and as each store keeps it.
#include "server/generation/usage.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class UsageTest : public ServiceRig {
 protected:
  absl::StatusOr<v1::ListUsageResponse> Ask(const v1::ListUsageRequest& request = {}) {
    const auto [reply, answer] = Expect<v1::ListUsageResponse>();
    service().ListUsage(request, answer);
    return Answered<v1::ListUsageResponse>(reply);
  }
};

TEST_F(UsageTest, IsOfWhatWasDoneAndOutlivesJobsAndRestarts) {
  const auto worker = Connect("w", 1);
  const Caller mine{.key_id = "abcdefghij"}, other{.tenant = "other"};
  const auto done = Submit(SmallRequest(), mine);
  ASSERT_TRUE(done.ok()) << done.status();
  Finish(worker, done->id());
  const auto waiting = Submit(SmallRequest("m", 2), mine);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  Lose(worker);
  Restart();
  ASSERT_TRUE(Cancel(waiting->id(), mine).ok());
  ASSERT_TRUE(Submit(SmallRequest(), other).ok());
  const auto before = Ask();
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_EQ(before->usage_size(), 1) << before->DebugString();
  const v1::Usage& used = before->usage(0);
  EXPECT_EQ(used.tenant(), "default");
  EXPECT_EQ(used.key_id(), "abcdefghij");
  EXPECT_EQ(used.model(), "m");
  EXPECT_EQ(used.jobs(), 2U);
  EXPECT_EQ(used.images(), 1U);
  EXPECT_EQ(used.steps(), 20U);
  EXPECT_EQ(used.worker_seconds(), done->worker_seconds());
  EXPECT_GT(used.worker_seconds(), 0);

  const auto [deleted, forget] = Expect<v1::Job>();
  service().Delete(done->id(), mine, CancelledByRequest(done->id()), forget);
  ASSERT_TRUE(Answered<v1::Job>(deleted).ok());
  Restart();
  EXPECT_EQ(Ask()->DebugString(), before->DebugString());
}

TEST_F(UsageTest, ATenantsDayOutlivesARestart) {
  options_.limits_of = [](const std::string&) {
    v1::TenantLimits limits;
    limits.set_worker_seconds_per_day(1e-9);
    return limits;
  };
  const auto worker = Connect("w", 1);
  const auto job = Submit(SmallRequest());
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_GT(job->worker_seconds(), 1e-9);
  // Both while it waits and once it is done.
  Restart();
  EXPECT_EQ(ReasonOf(Submit(SmallRequest()).status()), "WORKER_SECONDS_LIMIT");
  const auto again = Connect("w", 1);
  Finish(again, job->id());
  EXPECT_EQ(StateOf(job->id()), v1::JOB_STATE_SUCCEEDED);
  Restart();
  EXPECT_EQ(ReasonOf(Submit(SmallRequest()).status()), "WORKER_SECONDS_LIMIT");
}

TEST_F(UsageTest, WhatIsAskedWrongIsSaid) {
  v1::ListUsageRequest request;
  request.set_tenant("no such name");
  EXPECT_EQ(GetBadRequest(Ask(request).status())->field_violations(0).field(), "tenant");
  request.clear_tenant();
  request.mutable_start_time()->set_seconds(10);
  request.mutable_end_time()->set_seconds(10);
  EXPECT_EQ(GetBadRequest(Ask(request).status())->field_violations(0).field(), "end_time");
}

}  // namespace
}  // namespace mind::server
