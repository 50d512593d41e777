// Events in, actions out: jobs, workers, attempts, leases, deadlines.
#include "server/dispatch/dispatcher.h"

#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class DispatcherTest : public DispatcherRig {};

TEST_F(DispatcherTest, AssignsToAWorkerThatServesTheModel) {
  EXPECT_TRUE(Of<SendAssign>(Submit("j")).empty());
  EXPECT_TRUE(Of<SendAssign>(Connect("other", 4, "another model")).empty());
  const auto assigned = Of<SendAssign>(Connect("w"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "w");
  EXPECT_EQ(assigned[0].assign.attempt(), 1U);
  EXPECT_EQ(dispatcher_.Find("j")->state(), v1::JOB_STATE_RUNNING);
}

TEST_F(DispatcherTest, SendsNothingBeforeTheWorkerSaysItsCapacity) {
  Submit("j");
  EXPECT_TRUE(Of<SendAssign>(Register(Registration("w"))).empty());
  EXPECT_TRUE(Of<SendAssign>(Tick()).empty());
}

TEST_F(DispatcherTest, ALostWorkersJobGoesOnElsewhereFromItsNewestCheckpoint) {
  Connect("w1");
  Submit("j", 2);
  Checkpoint("w1", Ref("j", 1, 0), 4);
  Checkpoint("w1", Ref("j", 1, 0), 6);
  Checkpoint("w1", Ref("j", 1, 0), 5);  // overtaken on the way
  Result("w1", Ref("j", 1, 1));
  EXPECT_FALSE(Ended("j"));
  Connect("w2");
  const Actions actions = Lose("w1");
  ASSERT_EQ(Of<JobRequeuedAction>(actions).size(), 1U);
  const auto assigned = Of<SendAssign>(actions);
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "w2");
  EXPECT_EQ(assigned[0].assign.attempt(), 2U);
  ASSERT_EQ(assigned[0].assign.images_size(), 1);  // the other is done
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 6");
  Result("w2", Ref("j", 2, 0));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(DispatcherTest, AnOldAttemptsResultIsNotAccepted) {
  Connect("w1");
  Submit("j");
  Connect("w2");
  Lose("w1");
  Connect("w1");
  EXPECT_FALSE(dispatcher_.AcceptsResult("w1", Ref("j", 1)));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w2", Ref("j", 1)));
  EXPECT_TRUE(dispatcher_.AcceptsResult("w2", Ref("j", 2)));
  Result("w1", Ref("j", 1));
  EXPECT_FALSE(Ended("j"));
}

TEST_F(DispatcherTest, AFinishedPictureIsTakenBackWhileNobodyMakesItAgain) {
  Connect("w1");
  Submit("j", 2);
  Lose("w1");
  Register(Registration("w1", {Model()}));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w1", Ref("j", 1, 0)));
  EXPECT_TRUE(dispatcher_.WantsBack("w1", Ref("j", 1, 0)));
  EXPECT_FALSE(dispatcher_.WantsBack("w1", Ref("j", 1, 2)));
  EXPECT_FALSE(dispatcher_.WantsBack("w1", Ref("j", 2, 0)));
  EXPECT_FALSE(dispatcher_.WantsBack("w2", Ref("j", 1, 0)));
  Noted(dispatcher_.OnResultBroughtBack("w1", Ref("j", 1, 0), now_));
  EXPECT_FALSE(dispatcher_.WantsBack("w1", Ref("j", 1, 0)));

  const auto assigned = Of<SendAssign>(Capacity("w1", 4));
  ASSERT_EQ(assigned.size(), 1U);
  ASSERT_EQ(assigned[0].assign.images_size(), 1);
  EXPECT_EQ(assigned[0].assign.images(0).image_index(), 1U);
  EXPECT_FALSE(dispatcher_.WantsBack("w1", Ref("j", 1, 1)));  // it is being made again
  Lose("w1");
  Register(Registration("w1", {Model()}));
  Noted(dispatcher_.OnResultBroughtBack("w1", Ref("j", 2, 1), now_));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(dispatcher_.queued_jobs(), 0U);
}

TEST_F(DispatcherTest, AResultCountsOnce) {
  Connect("w");
  Submit("j", 2);
  Result("w", Ref("j", 1, 0));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w", Ref("j", 1, 0)));
  Result("w", Ref("j", 1, 0));
  EXPECT_FALSE(Ended("j"));
  EXPECT_EQ(dispatcher_.Find("j")->images_done(), 1U);
}

// --- What a worker says is believed about what it holds.

TEST_F(DispatcherTest, ACheckpointKeptOverABrokenStreamIsUsed) {
  Connect("w1");
  Submit("j");
  Lose("w1");
  Register(Registration("w1"));
  Checkpoint("w1", Ref("j", 1), 7);
  const auto assigned = Of<SendAssign>(Capacity("w1", 1));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 7");
}

TEST_F(DispatcherTest, ACheckpointOfAnEarlierRunOfTheServerIsUsed) {
  v1::Job job = Job("j");
  job.set_attempt(3);
  Submit(job);
  Register(Registration("w"));
  Checkpoint("w", Ref("j", 3), 7);
  const auto assigned = Of<SendAssign>(Capacity("w", 1));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.attempt(), 4U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 7");
}

TEST_F(DispatcherTest, ACheckpointOfAnotherWorkersAttemptIsNot) {
  Connect("w");
  Connect("forger", 0);
  Submit("j");
  Checkpoint("forger", Ref("j", 1), kSteps);
  Checkpoint("forger", Ref("j", 2), kSteps);  // not even begun
  Checkpoint("w", Ref("j", 1), kSteps + 1);   // more than there are
  Checkpoint("w", Ref("j", 1, 1), 5);         // no such picture
  Checkpoint("w", Ref("j", 1), 3);
  Connect("w2");
  const auto assigned = Of<SendAssign>(Lose("w"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 3");
}

TEST_F(DispatcherTest, ReportsOfAWorkerThatDoesNotHoldThePictureChangeNothing) {
  Connect("w");
  Connect("other", 0);
  Submit("j");
  EXPECT_TRUE(dispatcher_.Holds("w", Ref("j", 1)));
  EXPECT_FALSE(dispatcher_.Holds("other", Ref("j", 1)));
  EXPECT_FALSE(dispatcher_.Holds("w", Ref("j", 1, 1000)));
  EXPECT_FALSE(dispatcher_.Holds("w", Ref("j", 2)));
  EXPECT_FALSE(dispatcher_.Holds("w", Ref("no such job", 1)));
  EXPECT_TRUE(Of<JobStartedAction>(Started("other", Ref("j", 1))).empty());
  Progress("other", Ref("j", 1), 5);
  EXPECT_EQ(dispatcher_.Find("j")->steps_done(), 0U);
  Failure("other", Ref("j", 1), absl::InvalidArgumentError("forged"));
  Result("other", Ref("j", 1));
  Cancelled("other", Ref("j", 1));
  HandBack("other", Ref("j", 1), 9);
  EXPECT_EQ(WorkerOf("j"), "w");
  EXPECT_EQ(AttemptOf("j"), 1U);
}

TEST_F(DispatcherTest, AWorkerIsNeverGivenTheWholeQueue) {
  Connect("w", std::numeric_limits<uint32_t>::max());
  for (uint32_t i = 0; i < Worker::kMaxImages + 10; ++i) Submit("j" + std::to_string(i));
  EXPECT_EQ(dispatcher_.running_jobs(), Worker::kMaxImages);
  EXPECT_EQ(dispatcher_.queued_jobs(), 10U);
}

// --- Leases.

TEST_F(DispatcherTest, SilenceEndsTheLease) {
  Connect("w");
  Submit("j");
  EXPECT_TRUE(Of<DropWorker>(Wait(absl::Seconds(9))).empty());
  Progress("w", Ref("j", 1), 3);
  EXPECT_TRUE(Of<DropWorker>(Wait(absl::Seconds(9))).empty());
  const Actions actions = Wait(absl::Seconds(2));
  EXPECT_EQ(Of<DropWorker>(actions).size(), 1U);
  EXPECT_EQ(Of<JobRequeuedAction>(actions).size(), 1U);
  EXPECT_EQ(dispatcher_.workers(), 0U);
}

TEST_F(DispatcherTest, TimeInWhichTheServerDidNotListenIsNobodysSilence) {
  Connect("w");
  Submit("j");
  Wait(absl::Seconds(8));
  Pass(absl::Minutes(5));  // stopped, or busy with something else
  EXPECT_TRUE(Of<DropWorker>(Tick()).empty());
  // From here on silence counts again.
  EXPECT_EQ(Of<DropWorker>(Wait(absl::Seconds(3))).size(), 1U);
}

TEST_F(DispatcherTest, JumpsOfTheWallClockEndNoLease) {
  Connect("w");
  Submit("j");
  for (const absl::Duration jump : {absl::Hours(10), -absl::Hours(20)}) {
    now_.wall += jump;
    EXPECT_TRUE(Of<DropWorker>(Tick()).empty());
    EXPECT_EQ(WorkerOf("j"), "w");
  }
  now_.wall -= absl::Hours(100);
  EXPECT_EQ(Of<DropWorker>(Wait(absl::Seconds(11))).size(), 1U);
}

TEST_F(DispatcherTest, OfTwoProcessesWithOneNameTheNewerIsToldWhyNot) {
  v1::Register first = Registration("w"), second = Registration("w"), nameless = Registration("w");
  first.set_instance("a");
  first.set_device("cuda:0");
  second.set_instance("b");
  EXPECT_TRUE(dispatcher_.CheckName(first).ok());
  Connect(first);
  Submit("j");
  const absl::Status refused = dispatcher_.CheckName(second);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(refused.message()),
              testing::AllOf(testing::HasSubstr("\"w\""), testing::HasSubstr("cuda:0"),
                             testing::HasSubstr("--name")));
  EXPECT_TRUE(dispatcher_.CheckName(first).ok()) << "it may dial again";
  EXPECT_TRUE(dispatcher_.CheckName(nameless).ok()) << "an older program";
  // The same process again: its old stream is as good as lost.
  EXPECT_EQ(Of<JobRequeuedAction>(Connect(first)).size(), 1U);
  EXPECT_EQ(AttemptOf("j"), 2U);
  Lose("w");
  EXPECT_TRUE(dispatcher_.CheckName(second).ok());
}

// --- Ends.

TEST_F(DispatcherTest, CancellingARunningJobTellsItsWorker) {
  Connect("w", 1);
  Submit("j");
  Submit("next");
  const Actions actions = Cancel("j");
  ASSERT_EQ(Of<SendCancel>(actions).size(), 1U);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_CANCELLED);
  // Its room is free when the worker says so, not before.
  EXPECT_TRUE(Of<SendAssign>(actions).empty());
  EXPECT_EQ(Of<SendAssign>(Cancelled("w", Ref("j", 1))).size(), 1U);
}

TEST_F(DispatcherTest, ADeadlineEndsWaitingAndRunningJobs) {
  Connect("w", 1);
  for (const char* id : {"runs", "waits"}) {
    v1::Job job = Job(id);
    *job.mutable_deadline() = ToTimestamp(now_.wall + absl::Seconds(5));
    Submit(job);
  }
  Pass(absl::Seconds(6));
  Tick();
  ASSERT_EQ(ended_.size(), 2U);
  for (const auto& [id, job] : ended_) {
    EXPECT_EQ(job.error().code(), static_cast<int>(absl::StatusCode::kDeadlineExceeded));
  }
}

TEST_F(DispatcherTest, ADrainingWorkerGetsNothingAndHandsBack) {
  Connect("w1");
  Submit("j");
  Drain("w1");
  EXPECT_TRUE(Of<SendAssign>(Submit("k")).empty());
  EXPECT_EQ(Of<JobRequeuedAction>(HandBack("w1", Ref("j", 1), 6)).size(), 1U);
  const auto assigned = Of<SendAssign>(Connect("w2"));
  ASSERT_EQ(assigned.size(), 2U);
  EXPECT_EQ(assigned[0].assign.job_id(), "j");  // work that had begun goes first
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 6");
}

TEST_F(DispatcherTest, ARestartedServerDoesNotMakeFinishedPicturesAgain) {
  Connect("w");
  const auto assigned = Of<SendAssign>(dispatcher_.OnSubmit(Job("j", 3), 10, {0, 2}, now_));
  ASSERT_EQ(assigned.size(), 1U);
  ASSERT_EQ(assigned[0].assign.images_size(), 1);
  EXPECT_EQ(assigned[0].assign.images(0).image_index(), 1U);
  EXPECT_EQ(Of<JobEndedAction>(dispatcher_.OnSubmit(Job("k", 2), 10, {0, 1}, now_)).size(), 1U);
}

TEST_F(DispatcherTest, NothingIsStartedWhilePlacingIsOff) {
  Connect("w", 1);
  Submit("runs");
  Submit("waits");
  dispatcher_.SetPlacing(false);
  Result("w", Ref("runs", 1));
  EXPECT_EQ(Ended("runs"), v1::JOB_STATE_SUCCEEDED);
  Wait(absl::Seconds(5), {"w"});
  EXPECT_EQ(dispatcher_.running_jobs(), 0U);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U);
  dispatcher_.SetPlacing(true);
  Tick();
  EXPECT_EQ(WorkerOf("waits"), "w");
}

}  // namespace
}  // namespace mind::server
