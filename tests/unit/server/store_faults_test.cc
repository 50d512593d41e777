// The service over a store that cannot be written or read: nothing that was said is taken back, and all comes
// right when it can again.
#include <gmock/gmock.h>

#include "tests/unit/server/store_faults_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StoreFaultsTest : public StoreFaultsRig {};

TEST_F(StoreFaultsTest, ARefusedRequestSentAgainIsANewOne) {
  Connect("w", 1);
  store_.full = true;
  EXPECT_FALSE(Submit(NamedRequest("r")).ok());
  store_.full = false;
  Tick(absl::Seconds(2));
  const auto job = Submit(NamedRequest("r"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(store_.size(), 1U);
  EXPECT_EQ(StateOf(job->id()), v1::JOB_STATE_RUNNING);
}

TEST_F(StoreFaultsTest, AJobThatCannotBeStoredIsRefusedWithATimeToTryAgainAndLeavesNoTrace) {
  Connect("w", 1);
  store_.full = true;
  for (int i = 0; i < 2; ++i) {  // by the store itself, then because it failed before
    const absl::Status refused = Submit(SmallRequest()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
    EXPECT_EQ(ReasonOf(refused), "STORE_UNAVAILABLE");
    EXPECT_TRUE(GetRetryDelay(refused).has_value());
  }
  MakeRoom();
  EXPECT_EQ(store_.size(), 0U);
  EXPECT_EQ(List(v1::ListJobsRequest())->jobs_size(), 0);
  EXPECT_EQ(service().running_jobs(), 0U);
  EXPECT_EQ(StateOf(Create()), v1::JOB_STATE_RUNNING);
}

TEST_F(StoreFaultsTest, OfACommitThatNobodyKnowsTheOutcomeOfNothingIsDoneTwice) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.forgetful = true;
  Finish(worker, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(Submit(SmallRequest()).ok());
  Tick(absl::Seconds(2));
  store_.forgetful = false;
  MakeRoom();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0));
  EXPECT_EQ(store_.size(), 1U);
}

TEST_F(StoreFaultsTest, HealthFollowsTheStore) {
  Connect("w", 1);
  std::vector<bool> told;
  service().OnServingChange([&told](bool serving) { told.push_back(serving); });
  store_.full = true;
  EXPECT_FALSE(Submit(SmallRequest()).ok());
  Tick();
  Tick();
  EXPECT_EQ(metrics_.store_failing.Value(), 1);
  MakeRoom();
  EXPECT_THAT(told, ElementsAre(true, false, true));
  EXPECT_EQ(metrics_.store_failing.Value(), 0);
}

TEST_F(StoreFaultsTest, ItIsTriedAgainWithGrowingPauses) {
  Connect("w", 1);
  store_.full = true;
  EXPECT_FALSE(Submit(SmallRequest()).ok());
  store_.commits = 0;
  for (int i = 0; i < 100; ++i) Tick(absl::Milliseconds(100));
  EXPECT_GE(store_.commits, 10);
  EXPECT_LE(store_.commits, 15);
}

TEST_F(StoreFaultsTest, APictureThatCannotBeStoredIsKeptUntilItCan) {
  const auto worker = Connect("w", 2);
  const std::string first = Create(), second = Create();
  Create();  // waits
  store_.full = true;
  Finish(worker, first);
  Finish(worker, second);
  Tick();
  EXPECT_EQ(RunningImages(), 1U);  // the third has got its room
  EXPECT_EQ(StateOf(first), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(worker->Assigned().size(), 2U);  // but is not begun while that is so
  MakeRoom();
  EXPECT_EQ(worker->Assigned().size(), 3U);
  for (const std::string& id : {first, second}) {
    EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
    EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0));
  }
}

TEST_F(StoreFaultsTest, APictureNotStoredBeforeACrashIsTakenFromItsWorkerAgain) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.full = true;
  Finish(worker, id);
  EXPECT_FALSE(worker->sent.back().has_taken());  // so it keeps it
  store_.full = false;
  Restart();
  const auto again = Connect("w", 0);
  Finish(again, id);
  EXPECT_TRUE(again->sent.back().has_taken());
  EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0));
}

TEST_F(StoreFaultsTest, WorkersAreNotReadOnWhileTooMuchWaitsAndAreNotTakenForSilent) {
  options_.held_bytes = 100'000;
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  store_.full = true;
  const auto readable = [&] {
    bool now = false;
    service().workers().WhenReadable(worker.get(), [&now] { now = true; });
    return now;
  };
  EXPECT_TRUE(readable());
  v1::ConnectRequest message;
  v1::ImageResult& result = *message.mutable_image_result();
  result.mutable_image()->set_job_id(id);
  result.mutable_image()->set_attempt(1);
  result.set_seed(1);  // SmallRequest's
  result.set_media_type("image/png");
  result.set_data(std::string(200'000, 'x'));
  Say(worker, message);
  bool read = false;
  service().workers().WhenReadable(worker.get(), [&read] { read = true; });
  EXPECT_FALSE(read);
  for (int i = 0; i < 300; ++i) Tick();  // three leases
  EXPECT_FALSE(worker->closed);
  MakeRoom();
  EXPECT_TRUE(read);
  EXPECT_TRUE(readable());
}

TEST_F(StoreFaultsTest, ACancelThatCannotBeWrittenIsNotAcknowledged) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.full = true;
  const auto watch = Watch(id);
  ASSERT_TRUE(watch.ok());
  for (int i = 0; i < 2; ++i) {
    const auto cancelled = Cancel(id);
    EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kUnavailable) << cancelled.status();
    EXPECT_EQ(ReasonOf(cancelled.status()), "STORE_UNAVAILABLE");
    EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);  // what a restart would find
  }
  EXPECT_TRUE(worker->sent.back().has_cancel());  // but nobody works on it
  EXPECT_FALSE(Listen(*watch).completed);
  store_.full = false;
  const auto cancelled = Cancel(id);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::JOB_STATE_CANCELLED);
  const Told told = Listen(*watch);
  EXPECT_TRUE(told.completed);
  EXPECT_EQ(told.end, absl::OkStatus());
  Restart();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(Connect("w", 1)->Assigned().empty());
}

TEST_F(StoreFaultsTest, ACancelledJobIsWrittenByItselfWhenThatWorks) {
  Connect("w", 1);
  const std::string id = Create();
  store_.full = true;
  EXPECT_FALSE(Cancel(id).ok());
  Tick();
  MakeRoom();
  Restart();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
}

TEST_F(StoreFaultsTest, AStateThatCouldNotBeWrittenIsWrittenLater) {
  const auto worker = Connect("w", 0);
  const std::string id = Create();
  store_.full = true;
  SayCapacity(worker, 1);  // the job is assigned
  EXPECT_EQ(store_.Now(id)->job.attempt(), 0U);
  EXPECT_THAT(worker->Assigned(), IsEmpty());
  MakeRoom();
  EXPECT_EQ(store_.Now(id)->job.attempt(), 1U);
  EXPECT_EQ(worker->Assigned().size(), 1U);
}

TEST_F(StoreFaultsTest, ModelsThatCouldNotBeSavedAreSavedLater) {
  service();
  store_.full = true;
  Connect("w", 1);
  EXPECT_TRUE(AllModels(store_)->empty());
  MakeRoom();
  EXPECT_EQ(AllModels(store_)->size(), 1U);
}

TEST_F(StoreFaultsTest, APictureThatCannotBeReadEndsTheWatchWithThat) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  store_.cannot_read_images = true;
  Told told = WatchFrom(id);
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(told.end->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(told.completed);
  store_.cannot_read_images = false;
  EXPECT_THAT(WatchFrom(id, told.last_sequence).pictures, ElementsAre(0));  // taken up where it broke
  store_.ForgetImages(id);
  told = WatchFrom(id);
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(told.end->code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(*told.end), "PICTURE_GONE");
}

TEST_F(StoreFaultsTest, WhatIsRefusedAgainAndAgainIsGivenUpAndSaid) {
  std::vector<absl::Status> broken;
  options_.store_broken = [&](const absl::Status& why) { broken.push_back(why); };
  Connect("w", 1);
  store_.refuses = true;
  const auto reply = Ask(SmallRequest());
  Settle();
  for (int i = 0; i < 3; ++i) Tick(absl::Seconds(2));
  EXPECT_THAT(broken, IsEmpty());
  EXPECT_EQ((*reply)->status().code(), absl::StatusCode::kUnavailable);
  for (int i = 0; i < 10; ++i) Tick(absl::Seconds(2));
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken.front().message(), "no such column");
  const int tries = store_.commits;
  for (int i = 0; i < 3; ++i) Tick(absl::Seconds(2));
  EXPECT_EQ(store_.commits, tries);
  EXPECT_FALSE(service().serving());
}

TEST_F(StoreFaultsTest, OneThatIsAwayIsTriedForEver) {
  options_.store_broken = [](const absl::Status& why) { ADD_FAILURE() << why; };
  Connect("w", 1);
  store_.full = true;
  Ask(SmallRequest());
  for (int i = 0; i < 20; ++i) {
    // A refusal now and then is not one again and again.
    store_.refuses = i % 4 == 0;
    store_.full = !store_.refuses;
    Tick(absl::Seconds(2));
  }
  store_.refuses = false;
  MakeRoom();
  EXPECT_TRUE(service().serving());
  Create();
}

}  // namespace
}  // namespace mind::server
