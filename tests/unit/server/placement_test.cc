// Where jobs go.
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class PlacementTest : public DispatcherRig {};

TEST_F(PlacementTest, RespectsRoomAndSpreadsTheLoad) {
  Connect("w1", 2);
  Connect("w2", 2);
  std::map<std::string, int> count;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    for (const SendAssign& send : Of<SendAssign>(Submit(id))) ++count[send.worker];
  }
  EXPECT_EQ(count["w1"], 2);
  EXPECT_EQ(count["w2"], 2);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U);
}

TEST_F(PlacementTest, PrefersTheWorkerThatHasTheModelLoaded) {
  Connect("cold");
  Connect("warm");
  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(4);
  capacity.mutable_capacity()->add_loaded_models("m");
  Say("warm", capacity);
  Submit("j");
  EXPECT_EQ(WorkerOf("j"), "warm");
}

TEST_F(PlacementTest, HighPriorityFindsRoomWhereLowerJobsFillIt) {
  Connect("w", 1);
  Submit("normal");
  const auto assigned = Of<SendAssign>(Submit(Job("high", 1, v1::PRIORITY_HIGH)));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.priority(), v1::PRIORITY_HIGH);
}

// --- Jobs of many pictures.

TEST_F(PlacementTest, AJobLargerThanAnyWorkersRoomRunsOnAnIdleOne) {
  Connect("w", 2);
  EXPECT_EQ(Of<SendAssign>(Submit("j", 5)).size(), 1U);
}

TEST_F(PlacementTest, AJobLargerThanAWorkerDoesNotWaitForLowerOnes) {
  Connect("w", 2);
  Submit(Job("low", 1, v1::PRIORITY_LOW));
  Submit(Job("high", 5, v1::PRIORITY_HIGH));
  EXPECT_EQ(WorkerOf("high"), "w");
}

TEST_F(PlacementTest, AJobOfSixteenPicturesStartsAfterABoundedNumberOfLaterOnes) {
  Connect("w", 16);
  std::vector<std::string> running;
  auto small = [&, count = 0]() mutable {
    running.push_back("small" + std::to_string(count++));
    Submit(running.back());
  };
  for (int i = 0; i < 4; ++i) small();
  Submit("large", 16);
  int later = 0;
  while (WorkerOf("large").empty()) {
    ASSERT_LT(later, 100);
    small();  // there is always one more
    ++later;
    for (const std::string& id : running) {
      if (WorkerOf(id).empty()) continue;
      Result("w", Ref(id, 1));
      break;
    }
  }
  int went_before = 0;
  for (const auto& [id, job] : ended_) went_before += id.starts_with("small") ? 1 : 0;
  EXPECT_LE(went_before, 4 + 8);
}

TEST_F(PlacementTest, WhileOneWorkerIsKeptFreeTheOthersWork) {
  Connect("w1", 4);
  Connect("w2", 4);
  Submit("a1", 1);
  Submit("a2", 1);
  Submit("large", 4);
  Submit("larger", 4);
  for (int i = 0; i < 40; ++i) {
    const std::string id = "s" + std::to_string(i);
    Submit(id);
    if (WorkerOf(id).empty()) break;
    ASSERT_LT(i, 30);
    if (i > 20) continue;  // from here on they stay
    Result(WorkerOf(id), Ref(id, 1));
  }
  EXPECT_EQ(WorkerOf("large"), "");
  // Kept free: one of them, not both.
  EXPECT_EQ(dispatcher_.RunningImages("w1") + dispatcher_.RunningImages("w2"), 5U);
  const std::string kept = dispatcher_.RunningImages("w1") == 1 ? "w1" : "w2";
  Result(kept, Ref(kept == "w1" ? "a1" : "a2", 1));
  EXPECT_EQ(WorkerOf("large"), kept);
}

TEST_F(PlacementTest, WhatIsKeptFreeIsOpenAgainWhenTheJobIsCancelled) {
  Connect("w", 2);
  Submit("runs");
  Submit("large", 2);
  std::string last;
  for (int i = 0; i < 9; ++i) {
    last = "s" + std::to_string(i);
    Submit(last);
    if (!WorkerOf(last).empty()) Result("w", Ref(last, 1));
  }
  EXPECT_EQ(WorkerOf(last), "");
  EXPECT_FALSE(Ended(last));
  Cancel("large");
  EXPECT_EQ(WorkerOf(last), "w");
}

// --- What a worker offers.

TEST_F(PlacementTest, AJobGoesOnlyWhereTheWorkersOwnModelAllowsIt) {
  v1::Model full = Model();
  full.add_loras("style");
  full.add_samplers()->set_name("heun");
  full.set_max_width(128);
  full.set_takes_source_image(true);
  const auto needs = [this](const std::string& id, auto change) {
    v1::Job job = Job(id);
    change(*job.mutable_spec());
    return job;
  };
  const std::vector<v1::Job> jobs = {
      needs("lora", [](v1::ImageSpec& spec) { spec.add_loras()->set_name("style"); }),
      needs("sampler", [](v1::ImageSpec& spec) { spec.set_sampler("heun"); }),
      needs("size", [](v1::ImageSpec& spec) { spec.set_width(128); }),
      needs("source", [](v1::ImageSpec& spec) { spec.set_source_image("png"); })};
  Connect("small", 16);
  for (const v1::Job& job : jobs) {
    Submit(job);
    EXPECT_EQ(WorkerOf(job.id()), "") << job.id();
  }
  Submit("plain");
  EXPECT_EQ(WorkerOf("plain"), "small");
  Connect(Registration("full", {full}), 16);
  for (const v1::Job& job : jobs) EXPECT_EQ(WorkerOf(job.id()), "full") << job.id();
}

TEST_F(PlacementTest, CheckpointsGoOnlyToTheSameWeights) {
  Connect(Registration("a1", {Model("m", "A")}), 1);
  Submit("j");
  Checkpoint("a1", Ref("j", 1), 7);
  Connect(Registration("b", {Model("m", "B")}), 1);
  auto assigned = Of<SendAssign>(Lose("a1"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "");
  // What the first kept no longer fits; what this one makes does, though it is less.
  Register(Registration("a1", {Model("m", "A")}));
  Checkpoint("a1", Ref("j", 1), 8);
  Checkpoint("b", Ref("j", 2), 2);
  Connect(Registration("unknown", {Model("m")}), 1);
  assigned = Of<SendAssign>(Lose("b"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "unknown");
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 2");
}

TEST_F(PlacementTest, AnAssignmentTooLargeForAMessageComesInParts) {
  Connect("w", 4);
  Submit("j", 4);
  for (uint32_t image = 0; image < 4; ++image) {
    v1::ConnectRequest message;
    *message.mutable_image_checkpoint()->mutable_image() = Ref("j", 1, image);
    message.mutable_image_checkpoint()->set_step(3);
    message.mutable_image_checkpoint()->set_data(std::string(40 << 20, 'x'));
    Say("w", message);
  }
  Connect("w2", 4);
  const auto assigned = Of<SendAssign>(Lose("w"));
  ASSERT_EQ(assigned.size(), 4U);
  for (uint32_t image = 0; image < 4; ++image) {
    EXPECT_EQ(assigned[image].assign.attempt(), 2U);
    ASSERT_EQ(assigned[image].assign.images_size(), 1);
    EXPECT_EQ(assigned[image].assign.images(0).image_index(), image);
    EXPECT_LT(assigned[image].assign.ByteSizeLong(), size_t{64} << 20);
  }
}

}  // namespace
}  // namespace mind::server
