// Jobs that kill their workers: they are failed before they have had many, and take no others along.
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class KillersTest : public DispatcherRig {
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

TEST_F(KillersTest, AJobThatKillsBeforeItsFirstStepIsFailed) {
  Submit("j");
  EXPECT_EQ(KillUntilItEnds("j", [](const std::string&, const v1::ImageRef&, int) {}), 5);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_THAT(ended_.at("j").error().message(), testing::HasSubstr("lost its worker 5 times"));
}

TEST_F(KillersTest, AJobThatKillsInTheDecoderIsFailedHoweverManyStepsItReports) {
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

TEST_F(KillersTest, AStateAfterTheLastStepIsNoProgress) {
  Submit("j");
  EXPECT_LE(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int death) {
                              // Its last report was lost with it.
                              Checkpoint(worker, ref, death == 0 ? kSteps - 1 : kSteps);
                            }),
            5);
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(KillersTest, AJobThatAlwaysDiesAtTheSameStepIsFailed) {
  Submit("j");
  EXPECT_EQ(KillUntilItEnds("j",
                            [this](const std::string& worker, const v1::ImageRef& ref, int) {
                              Checkpoint(worker, ref, 4);
                              Progress(worker, ref, 7);
                            }),
            5);
}

TEST_F(KillersTest, WorkersMayBeKilledAtRisingStepsAsOftenAsTheyLike) {
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

TEST_F(KillersTest, FinishedPicturesAreProgressAlsoWhereAnotherIsBeingDecoded) {
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

TEST_F(KillersTest, AWorkerThatHandsBackHasNotDied) {
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

TEST_F(KillersTest, AKillerTakesNoOtherJobAlong) {
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

TEST_F(KillersTest, WorkersLostTogetherAreOneLossOfTheirJob) {
  for (int i = 0; i < 8; ++i) Connect("w" + std::to_string(i), 1);
  Submit("j", 8);
  for (int i = 0; i < 8; ++i) Lose("w" + std::to_string(i));
  EXPECT_FALSE(Ended("j"));
  for (int i = 0; i < 8; ++i) Connect("v" + std::to_string(i), 1);
  EXPECT_EQ(dispatcher_.RunningImages("v0"), 1U);
  EXPECT_EQ(dispatcher_.RunningImages("v7"), 1U) << "it need not run alone yet";
}

TEST_F(KillersTest, AJobSpreadOverWorkersThatKillsThemIsFailed) {
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

}  // namespace
}  // namespace mind::server
