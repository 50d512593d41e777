#include "server/scale/outstanding_work.h"

#include <vector>

#include "tests/unit/http/face_rig.h"

namespace mind::server {
namespace {

// Answers when the test says so.
class SlowGeneration : public FakeGeneration {
 public:
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override {
    asked.push_back(std::move(answer));
  }
  std::vector<Answer<internal::v1::ListWorkResponse>> asked;
};

internal::v1::ListWorkResponse WorkOf(double seconds) {
  internal::v1::ListWorkResponse work;
  work.add_models()->set_waiting_seconds(seconds);
  return work;
}

class OutstandingWorkTest : public ::testing::Test {
 protected:
  void Ask() {
    work_.Ask([this](const absl::StatusOr<OutstandingWork::Known>& known) { told_.push_back(known); });
  }
  // What came last.
  double Told() const {
    return told_.empty() || !told_.back().ok() ? -1 : (*told_.back())->models(0).waiting_seconds();
  }

  absl::Duration now_;
  SlowGeneration generation_;
  OutstandingWork work_{
      {.steady_clock = [this] { return now_; }, .patience = absl::Seconds(1), .memory = absl::Minutes(2)},
      generation_};
  std::vector<absl::StatusOr<OutstandingWork::Known>> told_;
};

TEST_F(OutstandingWorkTest, WhoAsksAtOneTimeIsToldTheSameByOneQuestion) {
  Ask();
  Ask();
  ASSERT_EQ(generation_.asked.size(), 1U);
  EXPECT_TRUE(told_.empty());
  generation_.asked[0](WorkOf(7));
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(*told_[0], *told_[1]);
  EXPECT_EQ(Told(), 7);
  Ask();
  EXPECT_EQ(generation_.asked.size(), 2U) << "an answer counts for those who asked before it";
}

TEST_F(OutstandingWorkTest, WhileNobodyLeadsWhatWasKnownLastCounts) {
  Ask();
  generation_.asked[0](WorkOf(7));
  Ask();
  work_.OnTick();
  EXPECT_EQ(told_.size(), 1U) << "a leader has its time to answer";
  now_ += absl::Seconds(1);
  work_.OnTick();
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(Told(), 7);
  // The answer that comes after all is known from then on, and told nobody twice.
  generation_.asked[1](WorkOf(9));
  EXPECT_EQ(told_.size(), 2U);
  Ask();
  generation_.asked[2](absl::UnavailableError("nobody leads"));
  EXPECT_EQ(Told(), 9);
}

TEST_F(OutstandingWorkTest, WhatWasKnownLongAgoIsNotMadeUp) {
  Ask();
  generation_.asked[0](absl::UnavailableError("nobody leads"));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(GetErrorInfo(told_[0].status())->reason(), "WORK_UNKNOWN") << "nothing was ever known";
  EXPECT_TRUE(GetRetryDelay(told_[0].status()));
  Ask();
  generation_.asked[1](WorkOf(7));
  now_ += absl::Minutes(2);
  Ask();
  generation_.asked[2](absl::UnavailableError("nobody leads"));
  EXPECT_EQ(Told(), 7);
  now_ += absl::Seconds(1);
  Ask();
  generation_.asked[3](absl::UnavailableError("nobody leads"));
  EXPECT_EQ(GetErrorInfo(told_.back().status())->reason(), "WORK_UNKNOWN");
}

TEST_F(OutstandingWorkTest, AnAnswerMayComeWhenNobodyIsThereAnyMore) {
  {
    OutstandingWork gone({}, generation_);
    gone.Ask([](const absl::StatusOr<OutstandingWork::Known>&) { FAIL() << "it has gone"; });
  }
  generation_.asked[0](WorkOf(7));
}

}  // namespace
}  // namespace mind::server
