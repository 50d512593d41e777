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

TEST_F(PlacementTest, PicturesOfAJobGoWhereThereIsRoom) {
  Connect("w1", 2);
  Connect("w2", 1);
  const auto assigned = Of<SendAssign>(Submit("j", 5));
  ASSERT_EQ(assigned.size(), 2U);
  EXPECT_EQ(assigned[0].worker, "w1");
  EXPECT_EQ(assigned[0].assign.attempt(), 1U);
  EXPECT_EQ(assigned[0].assign.images_size(), 2);
  EXPECT_EQ(assigned[1].worker, "w2");
  EXPECT_EQ(assigned[1].assign.attempt(), 2U);
  EXPECT_EQ(assigned[1].assign.images_size(), 1);
  EXPECT_EQ(dispatcher_.running_jobs(), 1U);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U) << "two pictures wait";

  const auto next = Of<SendAssign>(Result("w2", Ref("j", 2, assigned[1].assign.images(0).image_index())));
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].worker, "w2");
  EXPECT_EQ(next[0].assign.attempt(), 3U);
}

TEST_F(PlacementTest, AJobIsSpreadEvenly) {
  Connect("w1", 16);
  Connect("w2", 16);
  const auto assigned = Of<SendAssign>(Submit("j", 16));
  ASSERT_EQ(assigned.size(), 2U);
  EXPECT_EQ(assigned[0].assign.images_size(), 8);
  EXPECT_EQ(assigned[1].assign.images_size(), 8);
}

TEST_F(PlacementTest, EveryPictureCountsForTheAttemptThatHasIt) {
  Connect("w1", 1);
  Connect("w2", 1);
  Submit("j", 2);
  EXPECT_TRUE(dispatcher_.AcceptsResult("w1", Ref("j", 1, 0)));
  EXPECT_TRUE(dispatcher_.AcceptsResult("w2", Ref("j", 2, 1)));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w1", Ref("j", 2, 1)));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w1", Ref("j", 1, 1)));
  EXPECT_FALSE(dispatcher_.AcceptsResult("w2", Ref("j", 2, 0)));
  Checkpoint("w1", Ref("j", 1, 1), 9);  // not its picture
  Connect("w3", 1);
  const auto assigned = Of<SendAssign>(Lose("w2"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "w3");
  EXPECT_EQ(assigned[0].assign.attempt(), 3U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "");
  EXPECT_EQ(dispatcher_.Find("j")->state(), v1::JOB_STATE_RUNNING);
  Result("w1", Ref("j", 1, 0));
  Result("w3", Ref("j", 3, 1));
  EXPECT_EQ(Ended("j"), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(PlacementTest, TheLossOfOneWorkerTakesBackItsPicturesAlone) {
  Connect("w1", 1);
  Connect("w2", 1);
  Submit("j", 2);
  const Actions actions = Lose("w1");
  ASSERT_EQ(Of<JobRequeuedAction>(actions).size(), 1U);
  EXPECT_EQ(Of<JobRequeuedAction>(actions)[0].job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(dispatcher_.queued_jobs(), 1U);
  Lose("w2");
  EXPECT_EQ(dispatcher_.Find("j")->state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(dispatcher_.running_jobs(), 0U);
}

TEST_F(PlacementTest, CancellingStopsEveryAttempt) {
  Connect("w1", 1);
  Connect("w2", 1);
  Submit("j", 3);
  const auto stopped = Of<SendCancel>(Cancel("j"));
  ASSERT_EQ(stopped.size(), 2U);
  EXPECT_EQ(stopped[0].cancel.attempt(), 1U);
  EXPECT_EQ(stopped[1].cancel.attempt(), 2U);
  EXPECT_EQ(dispatcher_.queued_jobs(), 0U);
}

TEST_F(PlacementTest, EachAttemptIsToldOfWhenItBegins) {
  Connect("w1", 2);
  Connect("w2", 1);
  Submit("j", 3);
  const auto first = Of<JobStartedAction>(Started("w1", Ref("j", 1, 0)));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].attempt, 1U);
  EXPECT_EQ(Of<JobStartedAction>(Started("w2", Ref("j", 2, 1))).size(), 1U);
  EXPECT_TRUE(Of<JobStartedAction>(Started("w1", Ref("j", 1, 2))).empty());
}

TEST_F(PlacementTest, AJobLargerThanAWorkerDoesNotWaitForLowerOnes) {
  Connect("w", 2);
  Submit(Job("low", 1, v1::PRIORITY_LOW));
  Submit(Job("high", 5, v1::PRIORITY_HIGH));
  EXPECT_EQ(WorkerOf("high"), "w");
  EXPECT_EQ(dispatcher_.RunningImages("w"), 3U);
}

TEST_F(PlacementTest, AJobOfSixteenPicturesIsNotPassedOver) {
  Connect("w", 16);
  std::vector<std::string> running;
  const auto small = [&](const std::string& id) {
    v1::Job job = Job(id);
    job.set_tenant("small");
    running.push_back(id);
    Submit(job);
  };
  for (int i = 0; i < 16; ++i) small("s" + std::to_string(i));
  Submit("large", 16);
  for (int i = 16; i < 48; ++i) small("s" + std::to_string(i));
  // As pictures end, the two tenants take turns.
  for (int i = 0; i < 16; ++i) Result("w", Ref("s" + std::to_string(i), 1));
  int large = 0;
  for (const auto& [key, picture] : dispatcher_.Workers().at("w").running())
    large += key.job == "large" ? 1 : 0;
  EXPECT_GE(large, 8);
  EXPECT_LE(large, 9);
}

// --- Jobs that must run alone.

TEST_F(PlacementTest, AWorkerIsKeptFreeForAJobThatMustRunAlone) {
  Connect("w", 1);
  Submit("suspect");
  for (int i = 0; i < 2; ++i) {
    Lose("w");
    if (i == 0) Connect("w", 1);
  }
  Connect("w1", 4);  // takes it, alone
  ASSERT_EQ(WorkerOf("suspect"), "w1");
  Submit("waits");
  EXPECT_EQ(WorkerOf("waits"), "");
  Result("w1", Ref("suspect", 3));
  EXPECT_EQ(WorkerOf("waits"), "w1");
}

TEST_F(PlacementTest, WhatIsKeptFreeIsOpenAgainWhenTheJobIsCancelled) {
  Submit("suspect");
  for (int i = 0; i < 2; ++i) {
    Connect("w", 2);
    Lose("w");
  }
  Register(Registration("w"));
  Cancel("suspect");
  Submit("suspect2");
  Capacity("w", 1);
  for (int i = 0; i < 2; ++i) {
    Lose("w");
    if (i == 0) Connect("w", 1);
  }
  // Others run when it comes back to the queue: it waits for the last of them, and nothing new is begun.
  dispatcher_.SetPlacing(false);
  Connect("w", 4);
  dispatcher_.SetPlacing(true);
  EXPECT_EQ(AttemptOf("suspect2"), 2U);
  Cancel("suspect2");
  Submit("other");
  EXPECT_EQ(WorkerOf("other"), "w");
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

TEST_F(PlacementTest, AJobGoesOnOnlyWithTheWeightsItBeganWith) {
  Connect(Registration("a1", {Model("m", "A")}), 1);
  Submit("j");
  Checkpoint("a1", Ref("j", 1), 7);
  Connect(Registration("b", {Model("m", "B")}), 1);
  EXPECT_TRUE(Of<SendAssign>(Lose("a1")).empty());
  EXPECT_TRUE(Of<SendAssign>(Wait(absl::Minutes(9), {"b"})).empty());
  Submit("k");
  EXPECT_EQ(WorkerOf("k"), "b") << "nobody waits for it";
  const auto assigned = Of<SendAssign>(Connect(Registration("a2", {Model("m", "A")}), 1));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].worker, "a2");
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 7");
}

TEST_F(PlacementTest, WhereRevisionsAreNotKnownStateIsGoneOnWith) {
  Connect(Registration("a", {Model("m", "A")}), 1);
  Submit("j");
  Checkpoint("a", Ref("j", 1), 7);
  Connect(Registration("unknown", {Model("m")}), 1);
  const auto assigned = Of<SendAssign>(Lose("a"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "state at 7");
}

TEST_F(PlacementTest, AJobThatHasKeptNothingMayBeginWithOtherWeights) {
  Connect(Registration("a", {Model("m", "A")}), 1);
  Submit("j");
  Connect(Registration("b", {Model("m", "B")}), 1);
  Lose("a");
  EXPECT_EQ(WorkerOf("j"), "b");
}

TEST_F(PlacementTest, PicturesOfOneJobComeFromTheSameWeights) {
  Connect(Registration("a", {Model("m", "A")}), 1);
  Connect(Registration("b", {Model("m", "B")}), 1);
  Submit("j", 3);
  EXPECT_EQ(dispatcher_.RunningImages("a"), 1U);
  EXPECT_EQ(dispatcher_.RunningImages("b"), 0U);
  Result("a", Ref("j", 1, 0));
  EXPECT_EQ(dispatcher_.RunningImages("a"), 1U);
  EXPECT_EQ(dispatcher_.RunningImages("b"), 0U);
}

TEST_F(PlacementTest, WeightsThatNeverComeBackAreNotWaitedForForEver) {
  Connect(Registration("a", {Model("m", "A")}), 1);
  Submit("j", 2);
  Result("a", Ref("j", 1, 0));
  Checkpoint("a", Ref("j", 2, 1), 7);
  Connect(Registration("b", {Model("m", "B")}), 1);
  Lose("a");
  EXPECT_EQ(WorkerOf("j"), "");
  const auto assigned = Of<SendAssign>(Wait(absl::Minutes(11), {"b"}));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.images(0).checkpoint(), "");
}

TEST_F(PlacementTest, WorkersMayAllDescribeAModelDifferently) {
  for (int i = 0; i < 100; ++i) {
    v1::Model model = Model();
    model.add_loras("lora" + std::to_string(i));
    Connect(Registration("w" + std::to_string(i), {model}), 1);
  }
  for (int i = 99; i >= 0; --i) {
    v1::Job job = Job("j" + std::to_string(i));
    job.mutable_spec()->add_loras()->set_name("lora" + std::to_string(i));
    Submit(job);
    EXPECT_EQ(WorkerOf(job.id()), "w" + std::to_string(i));
  }
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
