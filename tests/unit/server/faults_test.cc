// Jobs that kill or hang their workers, and workers that fail their jobs.
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class FaultsTest : public DispatcherRig {
 protected:
  // A worker comes, gets the job, does what `work` says and dies. How many have died when the job ends.
  template <typename Work>
  int KillUntilItEnds(const std::string& job, Work work, int at_most = 50) {
    for (int deaths = 0; deaths < at_most; ++deaths) {
      if (Ended(job)) return deaths;
      const std::string name = "w" + std::to_string(deaths);
      Connect(name);
      EXPECT_EQ(WorkerOf(job), name);
      work(name, Ref(job, AttemptOf(job)), deaths);
      Lose(name);
    }
    return at_most;
  }
};

// --- The guard against jobs that kill their workers.

TEST_F(FaultsTest, AJobThatKillsBeforeItsFirstStepIsFailed) {
  Submit("j");
  EXPECT_EQ(KillUntilItEnds("j", [](const std::string&, const v1::ImageRef&, int) {}), 5);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(ended_.at("j").error().message(), testing::HasSubstr("lost its worker 5 times"));
}

TEST_F(FaultsTest, AJobThatKillsInTheDecoderIsFailedHoweverManyStepsItReports) {
  Submit("j");
  EXPECT_LE(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int death) {
                              Started(worker, ref);
                              for (uint32_t step = 1; step <= kSteps; ++step) {
                                // Checkpoints lag, by less each time.
                                if (step + 6 <= kSteps + static_cast<uint32_t>(death))
                                  Checkpoint(worker, ref, step);
                                Progress(worker, ref, step);
                              }
                            }),
            5);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FaultsTest, AStateAfterTheLastStepIsNoProgress) {
  Submit("j");
  EXPECT_LE(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int death) {
                              // Its last report was lost with it.
                              Checkpoint(worker, ref, death == 0 ? kSteps - 1 : kSteps);
                            }),
            5);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FaultsTest, AJobThatAlwaysDiesAtTheSameStepIsFailed) {
  Submit("j");
  EXPECT_EQ(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int) {
                              Checkpoint(worker, ref, 4);
                              Progress(worker, ref, 7);
                            }),
            5);
}

TEST_F(FaultsTest, WorkersMayBeKilledAtRisingStepsAsOftenAsTheyLike) {
  Submit("j");
  EXPECT_EQ(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int death) {
                              const uint32_t step = static_cast<uint32_t>(death) + 1;
                              if (step < kSteps) {
                                Checkpoint(worker, ref, step);
                                Progress(worker, ref, step);
                              } else {
                                Result(worker, ref);
                              }
                            }),
            static_cast<int>(kSteps));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(FaultsTest, FinishedPicturesAreProgressAlsoWhereAnotherIsBeingDecoded) {
  Submit("j", 4);
  EXPECT_EQ(KillUntilItEnds(
                "j",
                [this](const std::string& worker, const v1::ImageRef& ref, int death) {
                  if (death % 4 != 3) return;  // three die early, the fourth gets one done
                  Progress(worker, Ref("j", ref.attempt(), static_cast<uint32_t>(death / 4 + 1) % 4), kSteps);
                  Result(worker, Ref("j", ref.attempt(), static_cast<uint32_t>(death / 4)));
                }),
            16);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(FaultsTest, AWorkerThatHandsBackHasNotDied) {
  Submit("j");
  for (int i = 0; i < 20; ++i) {
    const std::string name = "w" + std::to_string(i);
    Connect(name);
    Drain(name);
    HandBack(name, Ref("j", AttemptOf("j")), 0);
    Lose(name);
  }
  EXPECT_FALSE(Ended("j"));
}

TEST_F(FaultsTest, AKillerTakesNoOtherJobAlong) {
  Submit("poison");
  for (int i = 0; i < 3; ++i) Submit("innocent" + std::to_string(i));
  for (int death = 0; death < 30 && dispatcher_.queued_jobs() > 0; ++death) {
    const std::string name = "w" + std::to_string(death);
    Connect(name);
    for (bool busy = true; busy;) {
      busy = false;
      if (WorkerOf("poison") == name) break;
      for (int i = 0; i < 3; ++i) {
        const std::string id = "innocent" + std::to_string(i);
        if (WorkerOf(id) != name) continue;
        Result(name, Ref(id, AttemptOf(id)));
        busy = true;
      }
    }
    Lose(name);
  }
  EXPECT_EQ(Ended("poison"), v1::JOB_STATE_FAILED);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ended("innocent" + std::to_string(i)), v1::JOB_STATE_SUCCEEDED);
  }
}

// --- Standstill.

TEST_F(FaultsTest, APictureThatHangsIsMadeElsewhereAndItsWorkerGetsNothingUntilItAnswers) {
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

TEST_F(FaultsTest, SlowIsNotHanging) {
  Connect("w");
  Capacity("w", 4, {{"m", 30}});  // a large model on a CPU
  Submit("j");
  Started("w", Ref("j", 1));
  EXPECT_TRUE(Of<JobRequeuedAction>(Wait(absl::Minutes(9), {"w"})).empty());
  Progress("w", Ref("j", 1), 1);
  EXPECT_TRUE(Of<JobRequeuedAction>(Wait(absl::Minutes(9), {"w"})).empty());
  EXPECT_FALSE(Of<WorkerStuckAction>(Wait(absl::Minutes(2), {"w"})).empty());
}

TEST_F(FaultsTest, AModelThatWasNeverMeasuredHasTimeForItsFirstStep) {
  Connect("w");
  Submit("j");
  Started("w", Ref("j", 1));
  EXPECT_TRUE(Of<WorkerStuckAction>(Wait(absl::Minutes(9), {"w"})).empty());
  EXPECT_EQ(Of<WorkerStuckAction>(Wait(absl::Minutes(2), {"w"})).size(), 1U);
}

TEST_F(FaultsTest, APictureThatHigherOnesPauseDoesNotHang) {
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

TEST_F(FaultsTest, APictureThatOnlyWaitsForRoomIsTriedElsewhereAndNobodyIsBlamed) {
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

TEST_F(FaultsTest, AWorkerThatDoesNotStopWhatWasCancelledGetsNothingMore) {
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

TEST_F(FaultsTest, TheEnginesOwnWordThatItHangsIsHeard) {
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

TEST_F(FaultsTest, AJobThatHangsFiveWorkersIsFailed) {
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

// --- Workers that fail.

TEST_F(FaultsTest, AFailureOfTheOnlyWorkerEndsTheJobAndStopsItsOtherPictures) {
  Connect("w");
  Submit("j", 3);
  const Actions actions = Failure("w", Ref("j", 1, 1), absl::InternalError("broken"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended_.at("j").error().message(), "broken");
  EXPECT_EQ(Of<SendCancel>(actions).size(), 1U);
}

TEST_F(FaultsTest, WhatOneWorkerCannotMakeAnotherIsAsked) {
  for (const absl::Status& error :
       {absl::ResourceExhaustedError("out of memory"), absl::FailedPreconditionError("the file is damaged"),
        absl::InternalError("ECC error")}) {
    const std::string id = "j" + std::to_string(static_cast<int>(error.code()));
    Connect("bad");
    Submit(id);
    ASSERT_EQ(WorkerOf(id), "bad");
    Connect("good");
    Failure("bad", Ref(id, 1), error);
    EXPECT_EQ(WorkerOf(id), "good");
    Result("good", Ref(id, 2));
    EXPECT_EQ(Ended(id), v1::JOB_STATE_SUCCEEDED);
    Lose("bad");
    Lose("good");
  }
}

TEST_F(FaultsTest, WhatIsWrongWithTheRequestIsNotTriedAgain) {
  Connect("w1");
  Submit("j");
  Connect("w2");
  Failure("w1", Ref("j", 1), absl::InvalidArgumentError("not a picture"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FaultsTest, AJobThatEveryWorkerHasFailedEndsWithTheReason) {
  Connect("w1");
  Connect("w2");
  Submit("j");
  Failure(WorkerOf("j"), Ref("j", 1), absl::ResourceExhaustedError("out of memory"));
  ASSERT_FALSE(Ended("j"));
  Failure(WorkerOf("j"), Ref("j", 2), absl::ResourceExhaustedError("out of memory"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended_.at("j").error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
}

TEST_F(FaultsTest, AJobIsNotTriedOnTheWholeFleet) {
  for (int i = 0; i < 10; ++i) Connect("w" + std::to_string(i));
  Submit("j");
  for (uint32_t attempt = 1; !Ended("j"); ++attempt) {
    ASSERT_LE(attempt, 3U);
    Failure(WorkerOf("j"), Ref("j", attempt), absl::InternalError("broken"));
  }
}

TEST_F(FaultsTest, AJobThatWaitsForALastHopeEndsWhenThatGoes) {
  Connect("w1", 1);
  Submit("j");
  Connect("w2", 1);
  Submit("other");
  ASSERT_EQ(WorkerOf("other"), "w2");
  Failure("w1", Ref("j", 1), absl::InternalError("broken"));
  EXPECT_FALSE(Ended("j"));
  Lose("w2");
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended_.at("j").error().message(), "broken");
}

TEST_F(FaultsTest, AWorkerThatFailsEverythingIsNoBlackHole) {
  Connect("bad", 16);
  Connect("good", 16);
  int failed = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string id = "j" + std::to_string(i);
    Submit(id);
    if (WorkerOf(id) == "bad") {
      ++failed;
      Failure("bad", Ref(id, AttemptOf(id)), absl::InternalError("ECC error"));
    }
    ASSERT_EQ(WorkerOf(id), "good") << i;  // which is the busier one all along
    if (i % 8 == 7) {
      for (int j = i - 7; j <= i; ++j)
        Result("good", Ref("j" + std::to_string(j), AttemptOf("j" + std::to_string(j))));
    }
  }
  EXPECT_EQ(failed, 3);
  // After a while it gets another chance, and a failure then is enough.
  Wait(absl::Minutes(1), {"bad", "good"});
  Submit("again");
  ASSERT_EQ(WorkerOf("again"), "bad");
  Failure("bad", Ref("again", 1), absl::InternalError("ECC error"));
  EXPECT_EQ(WorkerOf("again"), "good");
  Submit("next");
  EXPECT_EQ(WorkerOf("next"), "good");
}

TEST_F(FaultsTest, AWorkerThatSucceedsIsTrustedAtOnce) {
  Connect("bad", 4);
  for (const char* const id : {"held", "a", "b", "c"}) Submit(id);
  Connect("good", 1);
  for (const char* const id : {"a", "b", "c"}) Failure("bad", Ref(id, 1), absl::InternalError("x"));
  Submit("j");
  EXPECT_EQ(WorkerOf("j"), "");  // there is room, but on a worker that others are better than
  Result("bad", Ref("held", 1));
  EXPECT_EQ(WorkerOf("j"), "bad");
}

TEST_F(FaultsTest, AWorkerIsTrustedAgainWithEachModelInItsTime) {
  const std::vector<v1::Model> models = {Model("m"), Model("n")};
  Connect(Registration("bad", models), 8);
  for (const char* const id : {"m1", "m2", "m3"}) Submit(id);
  for (const char* const id : {"n1", "n2", "n3"}) Submit(Job(id, 1, v1::PRIORITY_NORMAL, "n"));
  Connect(Registration("good", models), 1);
  for (const char* const id : {"m1", "m2", "m3"}) Failure("bad", Ref(id, 1), absl::InternalError("x"));
  Wait(absl::Seconds(30), {"bad", "good"});
  for (const char* const id : {"n1", "n2", "n3"}) Failure("bad", Ref(id, 1), absl::InternalError("x"));
  Submit(Job("j", 1, v1::PRIORITY_NORMAL, "n"));
  Wait(absl::Seconds(40), {"bad", "good"});
  EXPECT_EQ(WorkerOf("j"), "");
  Wait(absl::Seconds(30), {"bad", "good"});
  EXPECT_EQ(WorkerOf("j"), "bad");
}

TEST_F(FaultsTest, TheOnlyWorkerIsUsedHoweverOftenItFails) {
  Connect("w");
  for (int i = 0; i < 20; ++i) {
    const std::string id = "j" + std::to_string(i);
    Submit(id);
    ASSERT_EQ(WorkerOf(id), "w");
    Failure("w", Ref(id, 1), absl::InternalError("broken"));
    EXPECT_EQ(Ended(id), v1::JOB_STATE_FAILED);
  }
}

TEST_F(FaultsTest, ManyPicturesOfOneJobThatFailAreOneFailure) {
  Connect("w1", 8);
  Submit("j", 8);
  Connect("w2", 8);
  for (uint32_t image = 0; image < 8; ++image) {
    Failure("w1", Ref("j", 1, image), absl::InternalError("broken"));
  }
  EXPECT_EQ(WorkerOf("j"), "w2");
  Submit("k");
  EXPECT_EQ(WorkerOf("k"), "w1");
}

TEST_F(FaultsTest, AWorkerThatStopsUnaskedHasFailed) {
  Connect("w");
  Submit("j");
  Cancelled("w", Ref("j", 1));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FaultsTest, ABadCheckpointSendsItsPictureBackToTheStartAndNoOther) {
  Connect("w");
  Submit("j", 2);
  Checkpoint("w", Ref("j", 1, 0), 5);
  Checkpoint("w", Ref("j", 1, 1), 6);
  Lose("w");
  Connect("w");
  const auto assigned = Of<SendAssign>(Failure("w", Ref("j", 2, 0), absl::DataLossError("damaged")));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.attempt(), 3U);
  ASSERT_EQ(assigned[0].assign.images_size(), 1);
  EXPECT_EQ(assigned[0].assign.images(0).image_index(), 0U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "");
  EXPECT_TRUE(dispatcher_.Holds("w", Ref("j", 2, 1))) << "the other goes on";
}

TEST_F(FaultsTest, WorkersLostTogetherAreOneLossOfTheirJob) {
  for (int i = 0; i < 8; ++i) Connect("w" + std::to_string(i), 1);
  Submit("j", 8);
  for (int i = 0; i < 8; ++i) Lose("w" + std::to_string(i));
  EXPECT_FALSE(Ended("j"));
  for (int i = 0; i < 8; ++i) Connect("v" + std::to_string(i), 1);
  EXPECT_EQ(dispatcher_.RunningImages("v0"), 1U);
  EXPECT_EQ(dispatcher_.RunningImages("v7"), 1U) << "it need not run alone yet";
}

TEST_F(FaultsTest, AJobSpreadOverWorkersThatKillsThemIsFailed) {
  Submit("j", 4);
  int deaths = 0;
  for (int round = 0; round < 50 && !Ended("j"); ++round) {
    const std::string name = "w" + std::to_string(round);
    Connect(name, 1);
    if (round < 1) continue;  // two are alive at any time
    Lose("w" + std::to_string(round - 1));
    ++deaths;
  }
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_LE(deaths, 10);
}

TEST_F(FaultsTest, AWorkerThatRefusesCheckpointsItWasNotGivenHasFailed) {
  Connect("w");
  Submit("j");
  Failure("w", Ref("j", 1), absl::DataLossError("damaged"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

}  // namespace
}  // namespace mind::server
