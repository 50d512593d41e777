// Tenants of whom no worker has a picture, where all places are taken.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/dispatcher_audit.h"
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class NewTenants : public DispatcherRig {
 protected:
  v1::Job JobOf(const std::string& tenant, const std::string& id, uint32_t images = 1,
                v1::Priority priority = v1::PRIORITY_NORMAL, const std::string& model = "m") {
    v1::Job job = Job(id, images, priority, model);
    job.set_tenant(tenant);
    return job;
  }
  v1::Job LongJobOf(const std::string& tenant, const std::string& id, uint32_t images = 1) {
    v1::Job job = JobOf(tenant, id, images);
    job.mutable_spec()->set_steps(1000);
    job.set_steps_total(uint64_t{1000} * images);
    return job;
  }
  // All eight places of "w" are taken by long ones, and more of them wait.
  void Flood() {
    Connect("w", 8);
    Submit(LongJobOf("flood", "flood", 20));
    ASSERT_EQ(dispatcher_.RunningImages("w"), 8U);
  }
};

TEST_F(NewTenants, NeedNotWaitForAPlace) {
  Flood();
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "w");
  EXPECT_EQ(dispatcher_.RunningImages("w"), 9U);
}

TEST_F(NewTenants, HaveOnePictureBeyondAndThenTheNext) {
  Flood();
  Submit(JobOf("good", "g1"));
  Submit(JobOf("good", "g2"));
  EXPECT_EQ(WorkerOf("g2"), "");
  Result("w", Ref("g1", 1));
  EXPECT_EQ(WorkerOf("g2"), "w");
}

TEST_F(NewTenants, HaveAQuarterOfThePlacesBeyond) {
  Flood();
  for (int i = 0; i < 5; ++i) Submit(JobOf(absl::StrCat("t", i), absl::StrCat("j", i)));
  EXPECT_EQ(dispatcher_.RunningImages("w"), 10U);
  EXPECT_EQ(WorkerOf("j1"), "w");
  EXPECT_EQ(WorkerOf("j2"), "");
  Result("w", Ref("j0", 1));
  EXPECT_EQ(WorkerOf("j2"), "w");
  EXPECT_EQ(WorkerOf("j3"), "");
}

TEST_F(NewTenants, TakeFreePlacesFirst) {
  Connect("full", 4);
  Submit(JobOf("flood", "f1", 4));
  Connect("free", 4);
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "free");
}

TEST_F(NewTenants, HaveNoneBeyondWhereThereAreFewerThanFour) {
  Connect("w", 3);
  Submit(JobOf("flood", "flood", 20));
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "");
}

TEST_F(NewTenants, WaitForTheirTurn) {
  Flood();
  Submit(JobOf("good", "g1"));
  Result("w", Ref("g1", 1));
  Submit(LongJobOf("good", "g2"));
  EXPECT_EQ(WorkerOf("g2"), "w");
  Result("w", Ref("g2", 1));
  Submit(JobOf("good", "g3"));  // it has had more than the flood by now
  EXPECT_EQ(WorkerOf("g3"), "");
}

TEST_F(NewTenants, AreNotThoseWhoHaveSomethingElsewhere) {
  Connect("other", 4, "n");
  Submit(JobOf("good", "elsewhere", 1, v1::PRIORITY_NORMAL, "n"));
  Flood();
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "");
}

TEST_F(NewTenants, HaveNoPlaceBeyondWhereThereIsNone) {
  Connect("w", 0);
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "");
}

TEST_F(NewTenants, LeaveTheirPlaceToNobodyElse) {
  Flood();
  Submit(JobOf("good", "g1"));
  Result("w", Ref("flood", 1, 0));  // eight run still
  EXPECT_EQ(dispatcher_.RunningImages("w"), 8U);
  Result("w", Ref("g1", 1));
  EXPECT_EQ(dispatcher_.RunningImages("w"), 8U);  // the flood's next took it
  DispatcherAudit(dispatcher_, now_).Check();
}

TEST_F(NewTenants, MayStandBehindOthersInTheQueue) {
  Flood();
  for (int i = 0; i < 5; ++i) Submit(JobOf("flood", absl::StrCat("f", i)));
  Submit(JobOf("good", "g1"));
  EXPECT_EQ(WorkerOf("g1"), "w");
}

TEST_F(NewTenants, DoNotComeWhereHigherOnesKeepThemFromMoving) {
  Connect("w", 8);
  Submit(JobOf("flood", "flood", 20, v1::PRIORITY_HIGH));
  Submit(JobOf("good", "g1", 1, v1::PRIORITY_LOW));
  EXPECT_EQ(WorkerOf("g1"), "");
}

}  // namespace
}  // namespace mind::server
