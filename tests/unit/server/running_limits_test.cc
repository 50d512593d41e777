// How many pictures of a tenant's run at a time, where that is limited.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/dispatcher_audit.h"
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class RunningLimits : public DispatcherRig {
 protected:
  RunningLimits() : DispatcherRig(WithLimits(limits())) {}
  ~RunningLimits() override { limits().clear(); }

  static std::map<std::string, uint32_t>& limits() {
    static auto* const limits = new std::map<std::string, uint32_t>();
    return *limits;
  }
  static Dispatcher::Options WithLimits(const std::map<std::string, uint32_t>& limits) {
    Dispatcher::Options options;
    options.running_limit_of = [&limits](const std::string& tenant) {
      const auto found = limits.find(tenant);
      return found == limits.end() ? 0 : found->second;
    };
    return options;
  }

  v1::Job JobOf(const std::string& tenant, const std::string& id, uint32_t images = 1,
                const std::string& model = "m", v1::Priority priority = v1::PRIORITY_NORMAL) {
    v1::Job job = Job(id, images, priority, model);
    job.set_tenant(tenant);
    return job;
  }
  int64_t Running(const std::string& tenant) const {
    int64_t running = 0;
    for (const auto& [name, worker] : dispatcher_.Workers()) {
      for (const auto& [key, picture] : worker.running()) running += picture.tenant == tenant ? 1 : 0;
    }
    return running;
  }
};

TEST_F(RunningLimits, WhatIsBeyondWaitsAndOthersPass) {
  limits()["a"] = 2;
  Connect("w", 8);
  for (const char* const id : {"a1", "a2", "a3"}) Submit(JobOf("a", id));
  Submit(JobOf("b", "b1"));
  EXPECT_EQ(WorkerOf("a2"), "w");
  EXPECT_EQ(WorkerOf("a3"), "");
  EXPECT_EQ(WorkerOf("b1"), "w");
  EXPECT_EQ(dispatcher_.queue().AheadOf("a3"), 0);  // it has kept its place
  Result("w", Ref("a1", 1));
  EXPECT_EQ(WorkerOf("a3"), "w");
}

TEST_F(RunningLimits, CountPicturesNotJobs) {
  limits()["a"] = 3;
  Connect("w", 8);
  Submit(JobOf("a", "large", 5));
  EXPECT_EQ(Running("a"), 3);
  Result("w", Ref("large", 1, 0));
  EXPECT_EQ(Running("a"), 3);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U);  // one of its pictures waits still
}

TEST_F(RunningLimits, HoldOverSeveralWorkersAndModels) {
  limits()["a"] = 2;
  Connect("v", 4, "m");
  Connect("w", 4, "n");
  for (int i = 0; i < 3; ++i) {
    Submit(JobOf("a", absl::StrCat("m", i), 1, "m"));
    Submit(JobOf("a", absl::StrCat("n", i), 1, "n"));
  }
  EXPECT_EQ(Running("a"), 2);
  for (int done = 0; done < 6; ++done) {
    bool found = false;
    for (const char* const worker : {"v", "w"}) {
      for (const auto& [key, picture] : dispatcher_.Workers().at(worker).running()) {
        Result(worker, Ref(key.job, key.attempt, key.image));
        found = true;
        break;
      }
      if (found) break;
    }
    ASSERT_TRUE(found) << "nothing runs though " << 6 - done << " wait";
    EXPECT_LE(Running("a"), 2);
  }
  EXPECT_EQ(ended_.size(), 6U);
}

TEST_F(RunningLimits, ThoseOfAHigherClassGoFirstWhenThereIsRoomAgain) {
  limits()["a"] = 1;
  Connect("w", 4);
  Submit(JobOf("a", "first"));
  Submit(JobOf("a", "second"));
  Submit(JobOf("a", "hurried", 1, "m", v1::PRIORITY_HIGH));
  EXPECT_EQ(Running("a"), 1);
  Result("w", Ref("first", 1));
  EXPECT_EQ(WorkerOf("hurried"), "w");
  EXPECT_EQ(WorkerOf("second"), "");
}

TEST_F(RunningLimits, AreGivenBackWhenAJobEndsOrItsWorkerIsLost) {
  limits()["a"] = 1;
  Connect("w", 4);
  Submit(JobOf("a", "1"));
  Submit(JobOf("a", "2"));
  Cancel("1");
  EXPECT_EQ(WorkerOf("2"), "") << "the worker has not let go of the first";
  Cancelled("w", Ref("1", 1));
  EXPECT_EQ(WorkerOf("2"), "w");
  Lose("w");
  EXPECT_EQ(Running("a"), 0);
  Connect("v", 4);
  EXPECT_EQ(WorkerOf("2"), "v");
}

TEST_F(RunningLimits, OneThatIsRaisedIsSeenSoonAndOneThatIsLoweredLetsRunWhatRuns) {
  limits()["a"] = 3;
  Connect("w", 8);
  for (int i = 0; i < 8; ++i) Submit(JobOf("a", absl::StrCat(i)));
  EXPECT_EQ(Running("a"), 3);
  limits()["a"] = 1;
  Tick();
  EXPECT_EQ(Running("a"), 3);
  Result("w", Ref("0", 1));
  Result("w", Ref("1", 1));
  EXPECT_EQ(Running("a"), 1);
  limits()["a"] = 0;
  Tick();
  EXPECT_EQ(Running("a"), 6);
}

TEST_F(RunningLimits, AWaitingJobThatIsCancelledMakesWayForTheNext) {
  limits()["a"] = 1;
  Connect("w", 3);
  for (const char* const id : {"a1", "a2", "a3"}) Submit(JobOf("a", id));
  Submit(JobOf("b", "b1"));
  Capacity("w", 1);
  Result("w", Ref("a1", 1));
  EXPECT_EQ(Running("a"), 0);  // the worker has no room
  Cancel("a2");
  Result("w", Ref("b1", 1));
  EXPECT_EQ(WorkerOf("a3"), "w");
}

// What is held costs nothing: with thousands of it, each picture that ends is replaced by one.
TEST_F(RunningLimits, ThousandsThatAreHeldArePassedOver) {
  limits()["a"] = 1;
  Connect("w", 4);
  constexpr int kJobs = 5000;
  for (int i = 0; i < kJobs; ++i) Submit(JobOf("a", absl::StrCat(i)));
  EXPECT_EQ(Running("a"), 1);
  Submit(JobOf("b", "other"));
  EXPECT_EQ(WorkerOf("other"), "w");
  for (int i = 0; i < kJobs; ++i) {
    ASSERT_EQ(WorkerOf(absl::StrCat(i)), "w");
    Result("w", Ref(absl::StrCat(i), 1));
  }
  EXPECT_EQ(ended_.size(), static_cast<size_t>(kJobs));
  DispatcherAudit(dispatcher_, now_).Check();
}

}  // namespace
}  // namespace mind::server
