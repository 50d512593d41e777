// What is not durable does not leave: over a store that takes its time, who is told what, and when.
#include <gmock/gmock.h>

#include "tests/unit/server/store_faults_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DurableFirstTest : public StoreFaultsRig {
 protected:
  // Answered by now or not.
  Reply<v1::ListWorkersResponse> AskForWorkers() {
    const auto [reply, answer] = Expect<v1::ListWorkersResponse>();
    service().ListWorkers(answer);
    Settle();
    return reply;
  }
};

TEST_F(DurableFirstTest, NothingLeavesBeforeItIsDurable) {
  const auto worker = Connect("w", 1);
  store_.slow = true;
  const auto reply = Ask(SmallRequest());
  EXPECT_TRUE(Waits(reply));
  EXPECT_THAT(worker->Assigned(), IsEmpty());
  store_.Release();
  ASSERT_FALSE(Waits(reply));
  const std::string id = (*reply)->value().id();
  EXPECT_EQ(worker->Assigned().size(), 1U);

  const auto watch = Watch(id);
  ASSERT_TRUE(watch.ok());
  store_.slow = true;
  Finish(worker, id);
  EXPECT_THAT(Listen(*watch).pictures, IsEmpty());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);  // what a restart would find
  EXPECT_FALSE(worker->sent.back().has_taken());
  store_.Release();
  const Told told = Listen(*watch);
  EXPECT_THAT(told.pictures, ElementsAre(0));
  EXPECT_TRUE(told.completed);
  EXPECT_TRUE(worker->sent.back().has_taken());
}

TEST_F(DurableFirstTest, ALonePictureTakesTwoCommits) {
  const auto worker = Connect("w", 1);
  store_.commits = 0;
  const CallTimes call{now_, now_ + absl::Minutes(1)};
  const auto job = Submit(SmallRequest(), {}, call);  // with its assignment
  ASSERT_TRUE(job.ok());
  Finish(worker, job->id());  // with its end
  EXPECT_EQ(StateOf(job->id()), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(store_.commits, 2);
}

TEST_F(DurableFirstTest, WhatComesWhileABatchIsWrittenIsOneBatch) {
  Connect("w", 0);
  store_.commits = 0;
  store_.slow = true;
  std::vector<Reply<v1::Job>> replies;
  for (int i = 0; i < 64; ++i) {
    replies.push_back(Ask(SmallRequest()));
    Settle();
  }
  EXPECT_EQ(store_.commits, 1);
  store_.Release();
  for (const auto& reply : replies) EXPECT_FALSE(Waits(reply));
  EXPECT_EQ(store_.commits, 2);
}

TEST_F(DurableFirstTest, NewsDoNotWaitForTheDiskAndNoPictureIsMissedForThem) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  const auto watch = Watch(id);
  ASSERT_TRUE(watch.ok());
  store_.slow = true;
  Finish(worker, id, 0);
  v1::ConnectRequest message;
  v1::ImageProgress& progress = *message.mutable_image_progress();
  progress.mutable_image()->set_job_id(id);
  progress.mutable_image()->set_attempt(1);
  progress.mutable_image()->set_image_index(1);
  progress.set_step(7);
  progress.set_steps(20);
  Say(worker, message);
  Told told = Listen(*watch);
  ASSERT_FALSE(told.events.empty());
  EXPECT_EQ(told.events.back().progress().step(), 7U);
  EXPECT_THAT(told.pictures, IsEmpty());
  store_.Release();
  EXPECT_THAT(Listen(*watch).pictures, ElementsAre(0));
  EXPECT_THAT(WatchFrom(id, told.last_sequence).pictures, ElementsAre(0));
}

TEST_F(DurableFirstTest, AnAssignmentThatIsCancelledBeforeItIsDurableNeverLeaves) {
  const auto worker = Connect("w", 2);
  const std::string running = Create();
  store_.slow = true;
  const auto reply = Ask(SmallRequest());
  EXPECT_TRUE(Waits(reply));
  EXPECT_EQ(RunningImages(), 2U);
  const auto [cancelled, answer] = Expect<v1::Job>();
  service().Cancel(running, {}, absl::CancelledError("enough"), answer);
  EXPECT_TRUE(Waits(cancelled));
  EXPECT_EQ(worker->sent.back().cancel().job_id(), running);  // at once, past what is held
  store_.full = true;
  store_.Release();
  EXPECT_FALSE(Waits(reply));
  EXPECT_FALSE((*reply)->ok());
  EXPECT_EQ(RunningImages(), 1U);  // the worker has not answered the cancel
  MakeRoom();
  EXPECT_EQ(worker->Assigned().size(), 1U);
  EXPECT_EQ(worker->sent.back().cancel().job_id(), running);
}

TEST_F(DurableFirstTest, ARequestSentAgainWhileTheFirstIsBeingWrittenGivesItsJob) {
  Connect("w", 1);
  store_.slow = true;
  const auto first = Ask(NamedRequest("r")), second = Ask(NamedRequest("r"));
  v1::JobRequest changed = NamedRequest("r");
  changed.mutable_spec()->set_seed(9);
  const auto other = Ask(changed);
  EXPECT_TRUE(Waits(first) && Waits(second) && Waits(other));
  store_.Release();
  ASSERT_FALSE(Waits(first) || Waits(second) || Waits(other));
  EXPECT_EQ((*first)->value().id(), (*second)->value().id());
  EXPECT_EQ(ReasonOf((*other)->status()), "REQUEST_ID_REUSED");
  EXPECT_EQ(store_.size(), 1U);
}

TEST_F(DurableFirstTest, WhoSeesAWorkerFindsItsModelsInTheStore) {
  service();
  store_.slow = true;
  Connect("w", 1);
  const auto reply = AskForWorkers();
  EXPECT_FALSE(reply->has_value());
  store_.Release();
  EXPECT_EQ(Answered<v1::ListWorkersResponse>(reply)->workers_size(), 1);
  EXPECT_EQ(AllModels(store_)->size(), 1U);
  store_.slow = true;
  Connect("other", 1);  // with the same models
  EXPECT_TRUE(AskForWorkers()->has_value());
}

TEST_F(DurableFirstTest, WorkersAreShownWhileTheirModelsCannotBeSaved) {
  service();
  store_.slow = true;
  Connect("w", 1);
  const auto reply = AskForWorkers();
  EXPECT_FALSE(reply->has_value());
  store_.full = true;
  store_.Release();
  EXPECT_EQ(Answered<v1::ListWorkersResponse>(reply)->workers_size(), 1);
  EXPECT_EQ(ListWorkers().workers_size(), 1);  // nor does who asks later wait
  MakeRoom();
  EXPECT_EQ(AllModels(store_)->size(), 1U);
}

TEST_F(DurableFirstTest, AServerGoingDownLeavesNobodyWaitingForTheDisk) {
  Connect("w", 1);
  store_.slow = true;
  const auto reply = Ask(SmallRequest());
  EXPECT_TRUE(Waits(reply));
  EXPECT_FALSE(service().settled());
  service().StopAdmitting();
  service().CloseWatches();
  ASSERT_FALSE(Waits(reply));
  EXPECT_EQ(ReasonOf((*reply)->status()), "SHUTTING_DOWN");
}

}  // namespace
}  // namespace mind::server
