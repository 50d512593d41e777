#include "server/cluster/leader_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <vector>

#include "mind/v1/generation.pb.h"
#include "server/cluster/leader_seat.h"

namespace mind::server {
namespace {

using testing::SizeIs;

// Calls that a test ends itself, in place of a stub's.
class LeaderCallsTest : public ::testing::Test {
 protected:
  struct Try {
    uint64_t term = 0;  // of the leader that was asked
    std::string id;     // that was asked for
    v1::GetJobResponse* response = nullptr;
    LeaderCalls::Done done;
  };
  using Answer = absl::StatusOr<v1::GetJobResponse>;

  LeaderCallsTest() { PointTo(1); }
  ~LeaderCallsTest() override {
    for (Try& one : tries_) one.done = nullptr;  // it has come back
  }

  void PointTo(uint64_t term) {
    calls_.PointTo(std::make_shared<LeaderLink>(
        term, grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials())));
  }
  void PointToNobody() { calls_.PointTo(nullptr); }
  // Where the answers go.
  std::shared_ptr<std::vector<Answer>> Ask(const std::string& id = "j") {
    const auto answers = std::make_shared<std::vector<Answer>>();
    v1::GetJobRequest request;
    request.set_id(id);
    calls_.Ask<v1::GetJobResponse>(
        Caller{.tenant = "t"}, request,
        [this](const LeaderLink& leader, grpc::ClientContext*, const v1::GetJobRequest* asked,
               v1::GetJobResponse* response, LeaderCalls::Done done) {
          tries_.push_back({leader.term, asked->id(), response, std::move(done)});
        },
        [answers](Answer answer) { answers->push_back(std::move(answer)); });
    return answers;
  }
  void Succeed(size_t at, const std::string& id) {
    tries_.at(at).response->mutable_job()->set_id(id);
    End(at, grpc::Status::OK);
  }
  void End(size_t at, const grpc::Status& status) {
    std::exchange(tries_.at(at).done, nullptr)(status);
    Settle();
  }
  void End(size_t at, const absl::Status& status) { End(at, ToGrpc(status)); }
  void Pass(absl::Duration time) {
    now_ += time;
    calls_.OnTick();
    Settle();
  }
  void Settle() {
    while (!posted_.empty()) {
      const std::function<void()> work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
  }
  static std::string ReasonOf(const Answer& answer) {
    const auto info = GetErrorInfo(answer.status());
    return info ? info->reason() : "";
  }

  absl::Duration now_ = absl::Hours(1);
  std::deque<std::function<void()>> posted_;
  std::vector<Try> tries_;
  LeaderCalls calls_{{.patience = absl::Seconds(10),
                      .pause = absl::Milliseconds(100),
                      .steady_clock = [this] { return now_; },
                      .post = [this](std::function<void()> work) { posted_.push_back(std::move(work)); }}};
};

const grpc::Status kBroken(grpc::StatusCode::UNAVAILABLE, "connection reset");

TEST_F(LeaderCallsTest, TheLeaderIsAskedAndItsAnswerGiven) {
  const auto answers = Ask("j7");
  ASSERT_THAT(tries_, SizeIs(1));
  EXPECT_EQ(tries_[0].term, 1U);
  EXPECT_EQ(tries_[0].id, "j7");
  Succeed(0, "j7");
  ASSERT_THAT(*answers, SizeIs(1));
  EXPECT_EQ((*answers)[0]->job().id(), "j7");
}

TEST_F(LeaderCallsTest, WhatTheLeaderRefusesIsRefused) {
  for (const absl::Status& error :
       {absl::NotFoundError("no such job"),
        MakeError(absl::StatusCode::kUnavailable, "cannot be written", "STORE_UNAVAILABLE")}) {
    tries_.clear();
    const auto answers = Ask();
    End(0, error);
    ASSERT_THAT(*answers, SizeIs(1));
    EXPECT_EQ((*answers)[0].status().message(), error.message());
    EXPECT_THAT(tries_, SizeIs(1));
  }
}

TEST_F(LeaderCallsTest, WithoutALeaderAQuestionWaitsForOne) {
  PointToNobody();
  const auto answers = Ask();
  Pass(absl::Seconds(5));
  EXPECT_THAT(tries_, SizeIs(0));
  PointTo(2);
  ASSERT_THAT(tries_, SizeIs(1));
  EXPECT_EQ(tries_[0].term, 2U);
  Succeed(0, "j");
  EXPECT_THAT(*answers, SizeIs(1));
}

TEST_F(LeaderCallsTest, WhoeverWaitsTooLongIsToldThatNobodyLeads) {
  PointToNobody();
  const auto early = Ask();
  Pass(absl::Seconds(4));
  const auto late = Ask();
  Pass(absl::Seconds(6));
  ASSERT_THAT(*early, SizeIs(1));
  EXPECT_EQ(ReasonOf((*early)[0]), "NO_LEADER");
  EXPECT_THAT(*late, SizeIs(0));
  Pass(absl::Seconds(4));
  EXPECT_THAT(*late, SizeIs(1));
  PointTo(2);
  EXPECT_THAT(tries_, SizeIs(0));
}

TEST_F(LeaderCallsTest, ACallThatIsLostIsMadeAgainAfterAPause) {
  const auto answers = Ask();
  for (const grpc::Status& lost : {kBroken, ToGrpc(LeaderSeat::NotLeading())}) {
    const size_t before = tries_.size();
    End(before - 1, lost);
    Pass(absl::Milliseconds(99));
    EXPECT_THAT(tries_, SizeIs(before));
    Pass(absl::Milliseconds(1));
    ASSERT_THAT(tries_, SizeIs(before + 1));
    EXPECT_EQ(tries_.back().id, "j");
  }
  EXPECT_THAT(*answers, SizeIs(0));
  Succeed(2, "j");
  EXPECT_THAT(*answers, SizeIs(1));
}

TEST_F(LeaderCallsTest, ACallThatIsLostAgainAndAgainIsGivenUpInTime) {
  const auto answers = Ask();
  while (answers->empty()) {
    if (tries_.back().done != nullptr) End(tries_.size() - 1, kBroken);
    Pass(absl::Seconds(1));
    ASSERT_LE(tries_.size(), 20U);
  }
  EXPECT_EQ(ReasonOf(answers->front()), "NO_LEADER");
  EXPECT_EQ(now_, absl::Hours(1) + absl::Seconds(10));
}

TEST_F(LeaderCallsTest, ANewLeaderIsAskedAtOnceAndTheFirstAnswerCounts) {
  const auto answers = Ask();
  PointTo(2);
  ASSERT_THAT(tries_, SizeIs(2));
  EXPECT_EQ(tries_[1].term, 2U);
  End(0, grpc::Status(grpc::StatusCode::CANCELLED, "cut off"));
  EXPECT_THAT(*answers, SizeIs(0));
  Pass(absl::Seconds(1));
  EXPECT_THAT(tries_, SizeIs(2));  // one is under way
  Succeed(1, "new");
  ASSERT_THAT(*answers, SizeIs(1));
  EXPECT_EQ((*answers)[0]->job().id(), "new");
}

TEST_F(LeaderCallsTest, AnAnswerOfTheEarlierLeaderIsOneAndTheLaterIsNotHeard) {
  const auto answers = Ask();
  PointTo(2);
  Succeed(0, "old");
  Succeed(1, "new");
  ASSERT_THAT(*answers, SizeIs(1));
  EXPECT_EQ((*answers)[0]->job().id(), "old");
}

TEST_F(LeaderCallsTest, ClosedTheyAnswerAllOfNowAndOfLater) {
  const auto now = Ask();
  PointToNobody();
  const auto waiting = Ask();
  calls_.Close(absl::UnavailableError("going down"));
  const auto later = Ask();
  for (const auto& answers : {now, waiting, later}) {
    ASSERT_THAT(*answers, SizeIs(1));
    EXPECT_EQ((*answers)[0].status().message(), "going down");
  }
  Succeed(0, "j");
  EXPECT_THAT(*now, SizeIs(1));
}

}  // namespace
}  // namespace mind::server
