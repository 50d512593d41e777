#include "server/cluster/leader_seat.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class LeaderSeatTest : public ServiceRig {
 protected:
  ~LeaderSeatTest() override { seat_.Vacate(); }

  Reply<v1::Job> Submit() {
    const auto [reply, answer] = Expect<v1::Job>();
    seat_.Submit(PrepareSubmission(SmallRequest()), {}, std::nullopt, answer);
    return reply;
  }
  Reply<WatchId> Watch(const std::string& id) {
    const auto [reply, answer] = Expect<WatchId>();
    seat_.Watch(
        id, {}, {}, [this] { ++news_; }, answer);
    return reply;
  }
  // Of an answer that has come.
  template <typename T>
  static std::string Reason(const Reply<T>& reply) {
    return reply->has_value() ? ReasonOf((*reply)->status()) : "not answered";
  }

  LeaderSeat seat_;
  int news_ = 0;
};

TEST_F(LeaderSeatTest, WhileItIsVacantItSendsElsewhere) {
  EXPECT_TRUE(seat_.vacant());
  EXPECT_EQ(Reason(Submit()), kNotLeading);
  EXPECT_EQ(Reason(Watch("j")), kNotLeading);
  const auto [workers, answer] = Expect<v1::ListWorkersResponse>();
  seat_.ListWorkers(answer);
  EXPECT_EQ(Reason(workers), kNotLeading);
  const auto [work, told] = Expect<internal::v1::ListWorkResponse>();
  seat_.ListWork(told);
  EXPECT_EQ(Reason(work), kNotLeading);
  EXPECT_EQ(ReasonOf(seat_.OnRegister(std::make_shared<FakeSession>(), {})), kNotLeading);
  bool readable = false;
  seat_.WhenReadable(nullptr, [&] { readable = true; });
  EXPECT_TRUE(readable);
  seat_.Leave("j", {});
  seat_.Unwatch(7);
  EXPECT_EQ(ReasonOf(*seat_.Next(7).end), kNotLeading);
}

TEST_F(LeaderSeatTest, WhatIsAskedIsTheServicesToAnswer) {
  Connect("w", 1);
  seat_.Take(service());
  const absl::StatusOr<v1::Job> job = Answered<v1::Job>(Submit());
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(StateOf(job->id()), v1::JOB_STATE_RUNNING);
}

TEST_F(LeaderSeatTest, WhoWaitsWhenItIsLeftIsAnsweredOnce) {
  Connect("w", 1);
  seat_.Take(service());
  store_.slow = true;
  const Reply<v1::Job> reply = Submit();
  Settle();
  EXPECT_FALSE(reply->has_value());
  seat_.Vacate();
  EXPECT_EQ(Reason(reply), kNotLeading);
  store_.Release();  // Expect complains about a second answer
  Settle();
}

TEST_F(LeaderSeatTest, WatchesEndWhenItIsLeft) {
  Connect("w", 1);
  const std::string id = Create();
  seat_.Take(service());
  const absl::StatusOr<WatchId> watch = Answered<WatchId>(Watch(id));
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_NE(seat_.Next(*watch).event, nullptr);
  news_ = 0;
  seat_.Vacate();
  EXPECT_EQ(news_, 1);
  EXPECT_EQ(ReasonOf(*seat_.Next(*watch).end), kNotLeading);
  seat_.Unwatch(*watch);
}

TEST_F(LeaderSeatTest, AWatchOfAnEarlierServiceIsNoneOfTheNext) {
  Connect("w", 1);
  const std::string id = Create();
  seat_.Take(service());
  const absl::StatusOr<WatchId> before = Answered<WatchId>(Watch(id));
  ASSERT_TRUE(before.ok()) << before.status();
  seat_.Vacate();
  Restart();
  seat_.Take(service());
  const absl::StatusOr<WatchId> after = Answered<WatchId>(Watch(id));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_NE(*after, *before);
  seat_.Unwatch(*before);
  EXPECT_EQ(ReasonOf(*seat_.Next(*before).end), kNotLeading);
  EXPECT_NE(seat_.Next(*after).event, nullptr);
}

TEST_F(LeaderSeatTest, WorkersAreSentElsewhereWhenItIsLeft) {
  seat_.Take(service());
  const auto session = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("m");
  ASSERT_TRUE(seat_.OnRegister(session, registration).ok());
  seat_.Vacate();
  EXPECT_TRUE(session->closed);
  EXPECT_EQ(ReasonOf(session->status), kNotLeading);
  // What it still says nobody hears.
  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(1);
  seat_.OnMessage(session.get(), capacity);
  seat_.OnClosed(session.get());
}

}  // namespace
}  // namespace mind::server
