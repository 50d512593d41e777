// Jobs tied to the calls that made them: they end with the last of those.
#include <gtest/gtest.h>

#include "server/generation/service.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class TiedJobsTest : public ServiceRig {
 protected:
  std::string CreateTied(const v1::JobRequest& request, const CallTimes& call) {
    const auto job = Submit(request, {}, call);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id() : "";
  }
  CallTimes Call(absl::Duration timeout = absl::InfiniteDuration()) { return {now_, now_ + timeout}; }
  std::string EndOf(const std::string& id) {
    const auto job = Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() && job->has_error() ? ReasonOf(FromProto(job->error())) : "";
  }
};

TEST_F(TiedJobsTest, TheLastCallToLeaveTakesTheJobAlong) {
  Connect("w", 1);
  const std::string id = CreateTied(NamedRequest("r"), Call());
  EXPECT_EQ(CreateTied(NamedRequest("r"), Call()), id);  // a retry beside the call it replaces
  Leave(id, Call());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  Leave(id, Call());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(EndOf(id), "CALLER_GONE");
}

TEST_F(TiedJobsTest, ACallNeverTakesAJobOfCreateJobAlong) {
  Connect("w", 1);
  const std::string id = Create(NamedRequest("r"));
  EXPECT_EQ(CreateTied(NamedRequest("r"), Call()), id);
  Leave(id, Call());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
}

TEST_F(TiedJobsTest, CreateJobUntiesAJobFromItsCalls) {
  Connect("w", 1);
  const std::string id = CreateTied(NamedRequest("r"), Call());
  EXPECT_EQ(Create(NamedRequest("r")), id);
  Leave(id, Call());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  Restart();
  Tick(absl::Minutes(2));
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_QUEUED);  // not an orphan either
}

TEST_F(TiedJobsTest, AJobWhoseCallerLeftIsNotWhatARetryGets) {
  const auto worker = Connect("w", 1);
  const std::string id = CreateTied(NamedRequest("r"), Call());
  Leave(id, Call());
  const std::string again = CreateTied(NamedRequest("r"), Call());
  EXPECT_NE(again, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(CreateTied(NamedRequest("r"), Call()), again);
}

TEST_F(TiedJobsTest, ACallCutOffByItsDeadlineEndsTheJobWithThat) {
  Connect("w", 1);
  const CallTimes call = Call(absl::Seconds(30));
  const std::string id = CreateTied(NamedRequest("r"), call);
  now_ += absl::Seconds(30) - absl::Milliseconds(40);  // the other end is a little early
  Leave(id, call);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_FAILED);
  EXPECT_EQ(EndOf(id), "DEADLINE_EXCEEDED");
  EXPECT_NE(CreateTied(NamedRequest("r"), Call(absl::Seconds(30))), id);  // a retry has a time of its own
}

TEST_F(TiedJobsTest, ACallThatLeavesEarlyHasGone) {
  Connect("w", 1);
  const CallTimes call = Call(absl::Seconds(30));
  const std::string id = CreateTied(SmallRequest(), call);
  now_ += absl::Seconds(20);
  Leave(id, call);
  EXPECT_EQ(EndOf(id), "CALLER_GONE");
}

TEST_F(TiedJobsTest, AfterACrashATiedJobWaitsAWhileToBeAskedFor) {
  Connect("w", 0);
  const std::string ghost = CreateTied(SmallRequest(), Call());
  const std::string watched = CreateTied(SmallRequest(), Call());
  const std::string retried = CreateTied(NamedRequest("r"), Call());
  const std::string own = Create();
  Restart();
  Tick(absl::Seconds(29));
  EXPECT_EQ(StateOf(ghost), v1::JOB_STATE_QUEUED);
  WatchFrom(watched);
  EXPECT_EQ(CreateTied(NamedRequest("r"), Call()), retried);
  Tick(absl::Seconds(2));
  EXPECT_EQ(StateOf(ghost), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(EndOf(ghost), "CALLER_GONE");
  for (const std::string& id : {watched, retried, own}) EXPECT_EQ(StateOf(id), v1::JOB_STATE_QUEUED);
  Leave(retried, Call());
  EXPECT_EQ(StateOf(retried), v1::JOB_STATE_CANCELLED);  // tied to its new call
}

TEST_F(TiedJobsTest, AServerGoingDownLeavesTheJobsOfTheCallsItCuts) {
  Connect("w", 1);
  const std::string id = CreateTied(SmallRequest(), Call());
  const auto watch = Watch(id);
  ASSERT_TRUE(watch.ok());
  service().StopAdmitting();
  service().CloseWatches();
  const Told told = Listen(*watch);
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(ReasonOf(*told.end), "SHUTTING_DOWN");
  Leave(id, Call());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
}

}  // namespace
}  // namespace mind::server
