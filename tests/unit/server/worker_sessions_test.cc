#include "server/generation/worker_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class WorkerSessionsTest : public ::testing::Test {
 protected:
  WorkerSessionsTest() { sessions_.Add("w", session_); }

  // One picture of an attempt, as a part of its own.
  void Assign(uint32_t attempt, uint32_t image) {
    v1::Assign assign;
    assign.set_job_id("j");
    assign.set_attempt(attempt);
    assign.add_images()->set_image_index(image);
    sessions_.Assign("w", assign, [](const v1::Assign&, const absl::Status& why) { FAIL() << why; });
  }
  void Write() { ledger_.Write(UntieJob{"j"}); }
  void Settle() {
    while (!posted_.empty()) {
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
  }

  std::deque<std::function<void()>> posted_;
  const Post post_ = [this](std::function<void()> work) { posted_.push_back(std::move(work)); };
  FakeStore store_;
  Ledger ledger_{{.steady_clock = [] { return absl::ZeroDuration(); }}, store_, post_};
  WorkerSessions sessions_{ledger_, store_, post_};
  const std::shared_ptr<FakeSession> session_ = std::make_shared<FakeSession>();
};

TEST_F(WorkerSessionsTest, AnAssignmentLeavesWhenItsAttemptIsDurable) {
  store_.slow = true;
  Write();
  Assign(1, 0);
  Settle();
  EXPECT_THAT(session_->Assigned(), IsEmpty());
  store_.Release();
  Settle();
  EXPECT_THAT(session_->Assigned(), SizeIs(1));
}

TEST_F(WorkerSessionsTest, AllPartsOfAnAttemptLeave) {
  Write();
  Assign(1, 0);
  Assign(1, 1);
  Settle();
  const std::vector<v1::Assign> assigned = session_->Assigned();
  ASSERT_THAT(assigned, SizeIs(2));
  EXPECT_EQ(assigned[0].images(0).image_index(), 0U);
  EXPECT_EQ(assigned[1].images(0).image_index(), 1U);
}

TEST_F(WorkerSessionsTest, WhatIsTakenBackNeverLeaves) {
  Write();
  Assign(1, 0);
  Assign(1, 1);
  Assign(2, 2);
  EXPECT_THAT(sessions_.TakeBack("j", 1), SizeIs(2));
  EXPECT_THAT(sessions_.TakeBack("j", 1), IsEmpty());
  Settle();
  ASSERT_THAT(session_->Assigned(), SizeIs(1));
  EXPECT_EQ(session_->Assigned()[0].attempt(), 2U);
}

// Not even a long absence of whatever holds them costs a job anything.
TEST_F(WorkerSessionsTest, WhatIsToLeaveWithPicturesWaitsUntilTheyCanBeRead) {
  const Blob picture = MakeBlob("brought");
  InsertJob insert;
  insert.job.set_id("j");
  insert.pictures = {picture};
  ledger_.Write(insert);
  Settle();
  store_.cannot_read_images = true;
  v1::Assign assign;
  assign.set_job_id("j");
  assign.set_attempt(1);
  assign.mutable_spec()->set_source_image(picture.hash);
  sessions_.Assign("w", assign, [](const v1::Assign&, const absl::Status& why) { FAIL() << why; });
  for (int second = 1; second < 100; ++second) {
    Settle();
    sessions_.OnTick(absl::Seconds(second));
  }
  EXPECT_THAT(session_->Assigned(), IsEmpty());
  store_.cannot_read_images = false;
  Settle();
  sessions_.OnTick(absl::Seconds(100));
  Settle();
  ASSERT_THAT(session_->Assigned(), SizeIs(1));
  EXPECT_EQ(session_->Assigned()[0].spec().source_image(), "brought");
}

}  // namespace
}  // namespace mind::server
