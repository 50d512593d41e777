// States of pictures that the store keeps: when they are written, and what the next server makes of them.
#include "server/generation/checkpoint_keeper.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CheckpointKeeperTest : public ServiceRig {
 protected:
  CheckpointKeeperTest() {
    options_.checkpoint_interval = absl::Seconds(10);
    // Workers are heard when a test says so, which may be long after.
    options_.dispatcher.lease = absl::Hours(2);
    options_.dispatcher.progress.stall = absl::Hours(2);
  }

  void SayState(const std::shared_ptr<FakeSession>& worker, const std::string& id, uint32_t image,
                uint32_t step, const std::string& data = "") {
    v1::ConnectRequest message;
    v1::ImageCheckpoint& checkpoint = *message.mutable_image_checkpoint();
    checkpoint.mutable_image()->set_job_id(id);
    checkpoint.mutable_image()->set_attempt(Get(id)->attempt());
    checkpoint.mutable_image()->set_image_index(image);
    checkpoint.set_step(step);
    checkpoint.set_data(data.empty() ? "state at " + std::to_string(step) : data);
    Say(worker, message);
  }
  // The steps of what the store has of a job, by picture.
  std::map<uint32_t, uint32_t> StepsOf(const std::string& id) {
    std::map<uint32_t, uint32_t> steps;
    for (const auto& [picture, one] : store_.states.kept) {
      if (picture.first == id) steps[picture.second] = one.step;
    }
    return steps;
  }
  using Steps = std::map<uint32_t, uint32_t>;
};

TEST_F(CheckpointKeeperTest, APictureGoesOnWhereItWasWhenAllHaveDied) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  SayState(worker, id, 0, 4);
  Tick(absl::Seconds(5));
  SayState(worker, id, 0, 8);
  EXPECT_EQ(store_.states.saves, 0);
  Tick(absl::Seconds(6));
  EXPECT_EQ(StepsOf(id), (Steps{{0, 8}}));
  SayState(worker, id, 0, 9);
  SayState(worker, id, 1, 3);
  Tick(absl::Seconds(9));
  EXPECT_EQ(StepsOf(id), (Steps{{0, 8}}));
  Tick(absl::Seconds(2));
  EXPECT_EQ(StepsOf(id), (Steps{{0, 9}, {1, 3}}));

  Restart();
  EXPECT_EQ(Get(id)->steps_done(), 12U);
  const auto next = Connect("another", 2);
  ASSERT_EQ(next->Assigned().size(), 1U);
  const v1::Assign assigned = next->Assigned().front();
  ASSERT_EQ(assigned.images_size(), 2);
  EXPECT_EQ(assigned.images(0).checkpoint(), "state at 9");
  EXPECT_EQ(assigned.images(1).checkpoint(), "state at 3");
}

TEST_F(CheckpointKeeperTest, WhatIsQuicklyMadeIsNeverWritten) {
  const auto worker = Connect("w", 1);
  for (int i = 0; i < 5; ++i) {
    const std::string id = Create();
    SayState(worker, id, 0, 4);
    Tick(absl::Seconds(5));
    Finish(worker, id);
    Tick(absl::Seconds(20));
  }
  EXPECT_EQ(store_.states.saves, 0);
}

TEST_F(CheckpointKeeperTest, AnEndedJobLeavesNothing) {
  const auto worker = Connect("w", 2);
  const std::string done = Create(), cancelled = Create();
  for (const std::string& id : {done, cancelled}) SayState(worker, id, 0, 4);
  Tick(absl::Seconds(11));
  EXPECT_EQ(store_.states.kept.size(), 2U);
  Finish(worker, done);
  EXPECT_TRUE(Cancel(cancelled).ok());
  EXPECT_THAT(store_.states.kept, IsEmpty());
}

// It would be lost if the server died between the two.
TEST_F(CheckpointKeeperTest, AnEndThatIsNotDurableLeavesAll) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  SayState(worker, id, 0, 4);
  Tick(absl::Seconds(11));
  store_.slow = true;
  Finish(worker, id);
  EXPECT_EQ(StepsOf(id), (Steps{{0, 4}}));
  store_.Release();
  Settle();
  EXPECT_EQ(StepsOf(id), Steps());
}

TEST_F(CheckpointKeeperTest, ASlowStoreGetsOnlyTheNewest) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.states.slow = true;
  for (uint32_t step = 1; step < 10; ++step) {
    SayState(worker, id, 0, step);
    Tick(absl::Seconds(11));
  }
  EXPECT_EQ(store_.states.saves, 1);
  store_.states.Release();
  Settle();
  Tick();
  EXPECT_EQ(store_.states.saves, 2);
  EXPECT_EQ(StepsOf(id), (Steps{{0, 9}}));
}

TEST_F(CheckpointKeeperTest, WhatIsWrittenTogetherIsBounded) {
  const auto worker = Connect("w", 4);
  const std::string id = Create(SmallRequest("m", 4));
  store_.states.slow = true;
  const std::string three_mib(3 << 20, 'x');
  for (uint32_t image = 0; image < 3; ++image) SayState(worker, id, image, 5, three_mib);
  SayState(worker, id, 3, 5, std::string(9 << 20, 'x'));  // more than is kept
  Tick(absl::Seconds(11));
  for (int write = 1; write <= 3; ++write) {
    EXPECT_EQ(store_.states.saves, write);
    store_.states.Release();
    store_.states.slow = true;
    Settle();
    Tick();
  }
  EXPECT_EQ(StepsOf(id), (Steps{{0, 5}, {1, 5}, {2, 5}}));
}

TEST_F(CheckpointKeeperTest, NothingStandsStillWhereTheyCannotBeWrittenAndLaterOnesAre) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  store_.states.failing = true;
  SayState(worker, id, 0, 4);
  Tick(absl::Seconds(11));
  EXPECT_EQ(store_.states.saves, 1);
  EXPECT_TRUE(service().serving());
  store_.states.failing = false;
  SayState(worker, id, 0, 5);
  Tick(absl::Seconds(11));
  EXPECT_EQ(StepsOf(id), (Steps{{0, 5}}));
  // A crash of the database takes them all.
  store_.states.Lose();
  Restart();
  EXPECT_EQ(Get(id)->steps_done(), 0U);
  EXPECT_EQ(Connect("another", 1)->Assigned().size(), 1U);
}

TEST_F(CheckpointKeeperTest, ZeroIntervalIsNever) {
  options_.checkpoint_interval = absl::InfiniteDuration();
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  SayState(worker, id, 0, 4);
  Tick(absl::Hours(1));
  EXPECT_EQ(store_.states.saves, 0);
}

// Of weights that have been given up and of others: those of the newest attempt count.
TEST_F(CheckpointKeeperTest, StatesOfOtherWeightsAreNotMixed) {
  Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  const auto state = [&](uint32_t image, uint32_t attempt, const std::string& revision, uint32_t step) {
    store_.states.kept[{id, image}] = {.job_id = id,
                                       .image_index = image,
                                       .attempt = attempt,
                                       .step = step,
                                       .revision = revision,
                                       .data = std::make_shared<const std::string>(revision)};
  };
  state(0, 2, "new", 3);
  state(1, 1, "old", 9);
  Restart();
  EXPECT_EQ(Get(id)->steps_done(), 3U);
}

}  // namespace
}  // namespace mind::server
