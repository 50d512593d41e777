// Workers that fail their jobs: who is asked next, and who is trusted again when.
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class FailingWorkersTest : public DispatcherRig {};

TEST_F(FailingWorkersTest, AFailureOfTheOnlyWorkerEndsTheJobAndStopsItsOtherPictures) {
  Connect("w");
  Submit("j", 3);
  const Actions actions = Failure("w", Ref("j", 1, 1), absl::InternalError("broken"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended_.at("j").error().message(), "broken");
  EXPECT_EQ(Of<SendCancel>(actions).size(), 1U);
}

TEST_F(FailingWorkersTest, WhatOneWorkerCannotMakeAnotherIsAsked) {
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

TEST_F(FailingWorkersTest, WhatIsWrongWithTheRequestIsNotTriedAgain) {
  Connect("w1");
  Submit("j");
  Connect("w2");
  Failure("w1", Ref("j", 1), absl::InvalidArgumentError("not a picture"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FailingWorkersTest, AJobThatEveryWorkerHasFailedEndsWithTheReason) {
  Connect("w1");
  Connect("w2");
  Submit("j");
  Failure(WorkerOf("j"), Ref("j", 1), absl::ResourceExhaustedError("out of memory"));
  ASSERT_FALSE(Ended("j"));
  Failure(WorkerOf("j"), Ref("j", 2), absl::ResourceExhaustedError("out of memory"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended_.at("j").error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
}

TEST_F(FailingWorkersTest, AJobIsNotTriedOnTheWholeFleet) {
  for (int i = 0; i < 10; ++i) Connect("w" + std::to_string(i));
  Submit("j");
  for (uint32_t attempt = 1; !Ended("j"); ++attempt) {
    ASSERT_LE(attempt, 3U);
    Failure(WorkerOf("j"), Ref("j", attempt), absl::InternalError("broken"));
  }
}

TEST_F(FailingWorkersTest, AJobThatWaitsForALastHopeEndsWhenThatGoes) {
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

TEST_F(FailingWorkersTest, AWorkerThatFailsEverythingIsNoBlackHole) {
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

TEST_F(FailingWorkersTest, AWorkerThatSucceedsIsTrustedAtOnce) {
  Connect("bad", 4);
  for (const char* const id : {"held", "a", "b", "c"}) Submit(id);
  Connect("good", 1);
  for (const char* const id : {"a", "b", "c"}) Failure("bad", Ref(id, 1), absl::InternalError("x"));
  Submit("j");
  EXPECT_EQ(WorkerOf("j"), "");  // there is room, but on a worker that others are better than
  Result("bad", Ref("held", 1));
  EXPECT_EQ(WorkerOf("j"), "bad");
}

TEST_F(FailingWorkersTest, AWorkerIsTrustedAgainWithEachModelInItsTime) {
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

TEST_F(FailingWorkersTest, TheOnlyWorkerIsUsedHoweverOftenItFails) {
  Connect("w");
  for (int i = 0; i < 20; ++i) {
    const std::string id = "j" + std::to_string(i);
    Submit(id);
    ASSERT_EQ(WorkerOf(id), "w");
    Failure("w", Ref(id, 1), absl::InternalError("broken"));
    EXPECT_EQ(Ended(id), v1::JOB_STATE_FAILED);
  }
}

TEST_F(FailingWorkersTest, ManyPicturesOfOneJobThatFailAreOneFailure) {
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

TEST_F(FailingWorkersTest, AWorkerThatStopsUnaskedHasFailed) {
  Connect("w");
  Submit("j");
  Cancelled("w", Ref("j", 1));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

TEST_F(FailingWorkersTest, ABadCheckpointSendsItsPictureBackToTheStartAndNoOther) {
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

TEST_F(FailingWorkersTest, AWorkerThatRefusesCheckpointsItWasNotGivenHasFailed) {
  Connect("w");
  Submit("j");
  Failure("w", Ref("j", 1), absl::DataLossError("damaged"));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_FAILED);
}

}  // namespace
}  // namespace mind::server
