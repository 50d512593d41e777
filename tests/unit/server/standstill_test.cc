// Pictures that hang, and workers that do not answer for them.
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class StandstillTest : public DispatcherRig {};

TEST_F(StandstillTest, APictureThatHangsIsMadeElsewhereAndItsWorkerGetsNothingUntilItAnswers) {
  Connect("hangs");
  Capacity("hangs", 4, {{"m", 0.1}});
  Submit("j");
  Connect("good", 1);
  Capacity("good", 1, {{"m", 0.1}});
  Started("hangs", Ref("j", 1));
  Progress("hangs", Ref("j", 1), 3);
  EXPECT_TRUE(Of<JobRequeuedAction>(Wait(absl::Seconds(59), {"hangs", "good"})).empty());
  const Actions actions = Wait(absl::Seconds(2), {"hangs", "good"});  // it is heard all along
  EXPECT_EQ(Of<SendCancel>(actions).size(), 1U);
  EXPECT_EQ(Of<WorkerStuckAction>(actions).size(), 1U);
  EXPECT_EQ(WorkerOf("j"), "good");
  EXPECT_EQ(dispatcher_.Workers().at("hangs").state(), v1::WORKER_STATE_STUCK);
  Submit("k");
  EXPECT_EQ(WorkerOf("k"), "") << "one is full, the other hangs";
  EXPECT_EQ(Of<SendAssign>(Cancelled("hangs", Ref("j", 1))).size(), 1U);
  EXPECT_EQ(WorkerOf("k"), "hangs");
  EXPECT_EQ(WorkerOf("j"), "good");
}

TEST_F(StandstillTest, SlowIsNotHanging) {
  Connect("w");
  Capacity("w", 4, {{"m", 30}});  // a large model on a CPU
  Submit("j");
  Started("w", Ref("j", 1));
  EXPECT_TRUE(Of<JobRequeuedAction>(Wait(absl::Minutes(9), {"w"})).empty());
  Progress("w", Ref("j", 1), 1);
  EXPECT_TRUE(Of<JobRequeuedAction>(Wait(absl::Minutes(9), {"w"})).empty());
  EXPECT_FALSE(Of<WorkerStuckAction>(Wait(absl::Minutes(2), {"w"})).empty());
}

TEST_F(StandstillTest, AModelThatWasNeverMeasuredHasTimeForItsFirstStep) {
  Connect("w");
  Submit("j");
  Started("w", Ref("j", 1));
  EXPECT_TRUE(Of<WorkerStuckAction>(Wait(absl::Minutes(9), {"w"})).empty());
  EXPECT_EQ(Of<WorkerStuckAction>(Wait(absl::Minutes(2), {"w"})).size(), 1U);
}

TEST_F(StandstillTest, APictureThatHigherOnesPauseDoesNotHang) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 0.1}});
  Submit(Job("low", 1, v1::PRIORITY_LOW));
  Started("w", Ref("low", 1));
  Submit(Job("high", 1, v1::PRIORITY_HIGH));
  Started("w", Ref("high", 1));
  for (uint32_t step = 1; step < kSteps; ++step) {
    Progress("w", Ref("high", 1), step);
    EXPECT_TRUE(Of<WorkerStuckAction>(Wait(absl::Seconds(40), {"w"})).empty());
  }
  Result("w", Ref("high", 1));
  EXPECT_TRUE(Of<WorkerStuckAction>(Wait(absl::Seconds(59), {"w"})).empty());
  EXPECT_EQ(Of<WorkerStuckAction>(Wait(absl::Seconds(2), {"w"})).size(), 1U);
}

TEST_F(StandstillTest, APictureThatOnlyWaitsForRoomIsTriedElsewhereAndNobodyIsBlamed) {
  Connect("w1", 2);
  Capacity("w1", 2, {{"m", 0.1}});
  Submit("runs");
  Started("w1", Ref("runs", 1));
  Submit("waits");
  uint32_t step = 0;
  Actions actions;
  Connect("w2", 1);
  for (int i = 0; i < 22; ++i) {
    Progress("w1", Ref("runs", 1), ++step % kSteps);
    const Actions more = Wait(absl::Seconds(30), {"w1", "w2"});
    actions.insert(actions.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(Of<WorkerStuckAction>(actions).empty());
  EXPECT_EQ(Of<SendCancel>(actions).size(), 1U);
  EXPECT_EQ(WorkerOf("waits"), "w2");
  EXPECT_EQ(WorkerOf("runs"), "w1");
}

TEST_F(StandstillTest, AWorkerThatDoesNotStopWhatWasCancelledGetsNothingMore) {
  Connect("w", 2);
  Capacity("w", 2, {{"m", 0.1}});
  Submit("j");
  Started("w", Ref("j", 1));
  Cancel("j");
  EXPECT_EQ(Of<WorkerStuckAction>(Wait(absl::Seconds(62), {"w"})).size(), 1U);
  Submit("k");
  EXPECT_EQ(WorkerOf("k"), "");
  Cancelled("w", Ref("j", 1));
  EXPECT_EQ(WorkerOf("k"), "w");
}

TEST_F(StandstillTest, TheEnginesOwnWordThatItHangsIsHeard) {
  Connect("w");
  Submit("j");
  Started("w", Ref("j", 1));
  v1::ConnectRequest message;
  message.mutable_capacity()->set_max_images(4);
  v1::ModelSpeed* const speed = message.mutable_capacity()->add_speeds();
  speed->set_model("m");
  speed->set_row_seconds(0.1);
  message.mutable_capacity()->set_last_step_age_ms(61'000);
  Say("w", message);
  EXPECT_EQ(Of<WorkerStuckAction>(Tick()).size(), 1U);
}

TEST_F(StandstillTest, AJobThatHangsFiveWorkersIsFailed) {
  Submit("j");
  std::vector<std::string> workers;
  for (int i = 0; i < 5; ++i) {
    workers.push_back("w" + std::to_string(i));
    Connect(workers.back());
    Started(workers.back(), Ref("j", AttemptOf("j")));
    EXPECT_EQ(Of<WorkerStuckAction>(Wait(absl::Minutes(11), workers)).size(), 1U);
  }
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

}  // namespace
}  // namespace mind::server
