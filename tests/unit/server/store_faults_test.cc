// The service over a store that cannot be written: nothing that was said is taken back, and all comes right
// when it can be written again.
#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;

class StoreFaultsTest : public ServiceRig {
 protected:
  absl::StatusOr<v1::Job> Cancel(const std::string& id) {
    return service().Cancel(id, {}, MakeError(absl::StatusCode::kCancelled, "by request", "CANCELLED"));
  }
  uint32_t RunningImages() { return service().ListWorkers().workers(0).running_images(); }
};

TEST_F(StoreFaultsTest, AJobThatCannotBeStoredIsRefusedWithATimeToTryAgain) {
  Connect("w", 1);
  store_.fail.SetWrites(true);
  for (int i = 0; i < 2; ++i) {  // by the store itself, then because it failed before
    const absl::Status refused = service().Submit(SmallRequest(), {}).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
    EXPECT_TRUE(GetRetryDelay(refused).has_value());
  }
  EXPECT_EQ(ReasonOf(service().Submit(SmallRequest(), {}).status()), "STORE_UNAVAILABLE");
  store_.fail.SetWrites(false);
  Tick(absl::Seconds(2));
  EXPECT_EQ(StateOf(Create()), v1::JOB_STATE_RUNNING);
}

TEST_F(StoreFaultsTest, HealthFollowsTheStore) {
  Connect("w", 1);
  std::vector<bool> told;
  service().OnServingChange([&told](bool serving) { told.push_back(serving); });
  store_.fail.SetWrites(true);
  EXPECT_FALSE(service().Submit(SmallRequest(), {}).ok());
  Tick();
  Tick();
  EXPECT_EQ(metrics_.store_failing.Value(), 1);
  store_.fail.SetWrites(false);
  Tick(absl::Seconds(2));
  EXPECT_THAT(told, ElementsAre(true, false, true));
  EXPECT_EQ(metrics_.store_failing.Value(), 0);
}

TEST_F(StoreFaultsTest, APictureThatCannotBeStoredIsMadeAgainAndRoomComesBack) {
  const auto worker = Connect("w", 2);
  const std::string first = Create(), second = Create();
  store_.fail.SetWrites(true);
  Finish(worker, first);
  Finish(worker, second);
  Tick();
  EXPECT_EQ(RunningImages(), 0U);
  EXPECT_EQ(StateOf(first), v1::JOB_STATE_QUEUED);  // and is not begun again while that is so
  EXPECT_EQ(worker->Assigned().size(), 2U);
  store_.fail.SetWrites(false);
  Tick(absl::Seconds(2));
  EXPECT_EQ(worker->Assigned().size(), 4U);
  for (const std::string& id : {first, second}) {
    Finish(worker, id);
    EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
    EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0));
  }
  EXPECT_EQ(RunningImages(), 0U);
}

TEST_F(StoreFaultsTest, APictureMaySurviveAnyNumberOfFailures) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  for (int i = 0; i < 50; ++i) {
    store_.fail.image = true;  // and nothing else: small writes succeed on a disk that is nearly full
    Finish(worker, id);
    Tick(absl::Seconds(2));
    ASSERT_EQ(StateOf(id), v1::JOB_STATE_RUNNING) << i;
  }
  store_.fail.image = false;
  Finish(worker, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(StoreFaultsTest, OfSeveralPicturesOnlyTheOneNotStoredIsMadeAgain) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  Finish(worker, id, 0);
  store_.fail.SetWrites(true);
  Finish(worker, id, 1);
  store_.fail.SetWrites(false);
  Tick(absl::Seconds(2));
  ASSERT_EQ(worker->Assigned().size(), 2U);
  ASSERT_EQ(worker->Assigned()[1].images_size(), 1);
  EXPECT_EQ(worker->Assigned()[1].images(0).image_index(), 1U);
  Finish(worker, id, 1);
  EXPECT_THAT(WatchFrom(id).pictures, ElementsAre(0, 1));
}

TEST_F(StoreFaultsTest, ACancelThatCannotBeWrittenIsNotAcknowledged) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.fail.SetWrites(true);
  const auto watch = service().Watch(id, 0, {}, [] {});
  ASSERT_TRUE(watch.ok());
  for (int i = 0; i < 2; ++i) {
    const auto cancelled = Cancel(id);
    EXPECT_EQ(cancelled.status().code(), absl::StatusCode::kUnavailable) << cancelled.status();
    EXPECT_EQ(ReasonOf(cancelled.status()), "STORE_UNAVAILABLE");
    EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);  // what a restart would find
  }
  EXPECT_TRUE(worker->sent.back().has_cancel());  // but nobody works on it
  EXPECT_FALSE(Listen(*watch).completed);
  store_.fail.SetWrites(false);
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
  store_.fail.SetWrites(true);
  EXPECT_FALSE(Cancel(id).ok());
  Tick();
  store_.fail.SetWrites(false);
  Tick();
  Restart();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_CANCELLED);
}

TEST_F(StoreFaultsTest, AnEndThatCannotBeWrittenIsToldWhenItIs) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  const auto watch = service().Watch(id, 0, {}, [] {});
  ASSERT_TRUE(watch.ok());
  store_.fail.end = true;
  Finish(worker, id);
  Told told = Listen(*watch);
  EXPECT_THAT(told.pictures, ElementsAre(0));
  EXPECT_FALSE(told.completed);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(RunningImages(), 0U);
  store_.fail.end = false;
  Tick();
  told = Listen(*watch);
  EXPECT_TRUE(told.completed);
  EXPECT_EQ(told.end, absl::OkStatus());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(StoreFaultsTest, AnEndNotWrittenBeforeACrashIsFoundAgain) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.fail.end = true;
  Finish(worker, id);
  store_.fail.end = false;
  Restart();
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  const Told told = WatchFrom(id);
  EXPECT_THAT(told.pictures, ElementsAre(0));
  EXPECT_TRUE(told.completed);
}

TEST_F(StoreFaultsTest, AStateThatCouldNotBeWrittenIsWrittenLater) {
  store_.fail.update = true;
  Connect("w", 1);
  const std::string id = Create();
  EXPECT_EQ(store_.Find(id).value()->job.attempt(), 0U);
  store_.fail.update = false;
  Tick();
  EXPECT_EQ(store_.Find(id).value()->job.attempt(), 1U);
}

TEST_F(StoreFaultsTest, ModelsThatCouldNotBeSavedAreSavedLater) {
  service();
  store_.fail.SetWrites(true);
  Connect("w", 1);
  EXPECT_TRUE(store_.Models()->empty());
  store_.fail.SetWrites(false);
  Tick();
  EXPECT_EQ(store_.Models()->size(), 1U);
}

TEST_F(StoreFaultsTest, APictureThatCannotBeReadEndsTheWatchWithThat) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  Finish(worker, id);
  store_.fail.read_images = true;
  Told told = WatchFrom(id);
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(told.end->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(told.completed);
  store_.fail.read_images = false;
  EXPECT_THAT(WatchFrom(id, told.last_sequence).pictures, ElementsAre(0));  // taken up where it broke
  store_.ForgetImages(id);
  told = WatchFrom(id);
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(told.end->code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(*told.end), "PICTURE_GONE");
}

}  // namespace
}  // namespace mind::server
