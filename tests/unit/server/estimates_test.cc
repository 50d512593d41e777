// How long jobs are expected to wait, and what they cost.
#include <cmath>
#include <limits>

#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

class EstimatesTest : public DispatcherRig {};

TEST_F(EstimatesTest, NobodyWaitsForWorkThatWouldNotGoBefore) {
  Connect("a", 1, "A");
  Connect("b", 1, "B");
  Capacity("a", 1, {{"A", 10}});
  for (int i = 0; i < 10; ++i) Submit(Job("a" + std::to_string(i), 1, v1::PRIORITY_NORMAL, "A"));
  EXPECT_EQ(dispatcher_.EstimatedWait("B", v1::PRIORITY_NORMAL, "t"), absl::ZeroDuration());
  EXPECT_EQ(dispatcher_.EstimatedWait("A", v1::PRIORITY_NORMAL, "t"), absl::Seconds(10 * 10.0 * kSteps));
  EXPECT_EQ(dispatcher_.EstimatedWait("A", v1::PRIORITY_HIGH, "t"), absl::ZeroDuration());
  EXPECT_EQ(dispatcher_.EstimatedWait("C", v1::PRIORITY_HIGH, "t"), std::nullopt);
  // A worker with both models is expected to take half of the work for A.
  Connect(Registration("both", {Model("A"), Model("B")}), 0);
  EXPECT_EQ(dispatcher_.EstimatedWait("B", v1::PRIORITY_NORMAL, "t"),
            absl::Seconds(10 * 10.0 * kSteps / 2 / 2));
}

TEST_F(EstimatesTest, ATenantWaitsForWhatGoesBeforeItsOwnTurn) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 1}});
  Submit("runs");
  for (int i = 0; i < 100; ++i) Submit("t" + std::to_string(i));
  v1::Job modest = Job("modest");
  modest.set_tenant("modest");
  Submit(modest);
  const auto wait = [this](const std::string& tenant) {
    return dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, tenant);
  };
  EXPECT_EQ(wait("t"), absl::Seconds(102.0 * kSteps));
  EXPECT_EQ(wait("nobody"), absl::Seconds(2.0 * kSteps)) << "what runs, and what came before for the modest";
  EXPECT_EQ(wait("modest"), absl::Seconds(3.0 * kSteps)) << "and the flood's first";
  // It is what it then waits for, but for what runs.
  v1::Job late = Job("late");
  late.set_tenant("nobody");
  Submit(late);
  EXPECT_EQ(dispatcher_.EstimatedWaitOf("late"), absl::Seconds(1.0 * kSteps));
}

// Only until one of those that run has ended.
TEST_F(EstimatesTest, HoweverManyRunNobodyWaitsForAllOfThem) {
  Connect("w", 8);
  Capacity("w", 8, {{"m", 2}});
  for (int i = 0; i < 20; ++i) Submit("t" + std::to_string(i));
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "modest"), absl::Seconds(2.0 * kSteps));
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "t"), absl::Seconds((12 + 1) * 2.0 * kSteps));
}

TEST_F(EstimatesTest, WithRoomNothingWaitsHoweverMuchRuns) {
  Connect("w", 2);
  Capacity("w", 2, {{"m", 1000}});
  Submit("j");
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "t"), absl::ZeroDuration());
}

TEST_F(EstimatesTest, NumbersThatAreNoneAreNoMeasurements) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 2}});
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    Capacity("w", 1, {{"m", bad}});
    EXPECT_EQ(dispatcher_.PriceOf("m").row, 2) << bad;
  }
}

TEST_F(EstimatesTest, SpeedsThatCannotBeAreTakenForTheNearestThatCan) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 1e300}});
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 3600);
  Capacity("w", 1, {{"m", 1e-300}});
  EXPECT_FLOAT_EQ(static_cast<float>(dispatcher_.PriceOf("m").row), 1e-6F);
}

TEST_F(EstimatesTest, ARowCostsWhatTheConnectedWorkersSayTogether) {
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 0.05);
  Connect("slow", 1);
  Connect("fast", 1);
  Capacity("slow", 1, {{"m", 3}});
  Capacity("fast", 1, {{"m", 1}});
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 2);
  Capacity("slow", 1, {{"m", 3}});  // whoever spoke last
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 2);
  Lose("slow");
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 1);
  Lose("fast");
  EXPECT_EQ(dispatcher_.PriceOf("m").row, 1) << "the last that was known";
}

TEST_F(EstimatesTest, WhatWaitsIsPricedByWhatIsKnownNow) {
  Submit("j");
  EXPECT_DOUBLE_EQ(dispatcher_.queue().Of("m").cost_seconds, 0.05 * kSteps);
  Connect("w", 0);
  Capacity("w", 0, {{"m", 20}});
  EXPECT_DOUBLE_EQ(dispatcher_.queue().Of("m").cost_seconds, 20 * kSteps);
}

TEST_F(EstimatesTest, SpeedsAreForTheSizeOfTheModelWhateverIsMade) {
  v1::Model model = Model();
  model.set_default_width(32);
  model.set_default_height(32);
  Connect(Registration("w", {model}), 1);
  Submit("large");  // 64 × 64, runs
  Capacity("w", 1, {{"m", 2}});
  v1::Job small = Job("small");
  small.mutable_spec()->set_width(32);
  small.mutable_spec()->set_height(32);
  Submit(small);
  EXPECT_DOUBLE_EQ(dispatcher_.queue().Of("m").cost_seconds, 2 * kSteps);
  Submit("another");  // four times as many pixels
  EXPECT_DOUBLE_EQ(dispatcher_.queue().Of("m").cost_seconds, (2 + 8) * kSteps);
  EXPECT_DOUBLE_EQ(dispatcher_.RunningSeconds().at("m"), 8 * kSteps);
}

TEST_F(EstimatesTest, PicturesToGoByCostAsALargerPictureDoes) {
  v1::Model model = Model();
  model.set_default_width(1000);
  model.set_default_height(1000);
  Connect(Registration("w", {model}), 0);
  Capacity("w", 0, {{"m", 2}});
  v1::Job job = Job("j");
  job.mutable_spec()->set_width(1000);
  job.mutable_spec()->set_height(1000);
  Noted(dispatcher_.OnSubmit(job, kSteps, {}, now_, /*reference_megapixels=*/1.5));
  EXPECT_DOUBLE_EQ(dispatcher_.queue().Of("m").cost_seconds, (2 + 3) * kSteps);
}

TEST_F(EstimatesTest, WhatRunsCountsByWhatIsLeftOfIt) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 2}});
  Submit("j");
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "t"), absl::Seconds(2.0 * kSteps));
  Progress("w", Ref("j", 1), 4);
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "t"), absl::Seconds(2.0 * (kSteps - 4)));
  EXPECT_EQ(dispatcher_.EstimatedRemaining("j"), absl::Seconds(2.0 * (kSteps - 4)));
  Cancel("j");
  EXPECT_EQ(dispatcher_.EstimatedWait("m", v1::PRIORITY_NORMAL, "t"), absl::ZeroDuration());
  EXPECT_EQ(dispatcher_.EstimatedRemaining("j"), std::nullopt);
}

TEST_F(EstimatesTest, SecondsOfWhatRunsAreThoseThatAreLeft) {
  Connect("w", 1);
  Capacity("w", 1, {{"m", 2}});
  EXPECT_TRUE(dispatcher_.RunningSeconds().empty());
  Submit(Job("low", 1, v1::PRIORITY_LOW));
  Submit(Job("waits", 1, v1::PRIORITY_LOW));
  EXPECT_DOUBLE_EQ(dispatcher_.RunningSeconds().at("m"), 2.0 * kSteps);
  Progress("w", Ref("low", 1), 4);
  EXPECT_DOUBLE_EQ(dispatcher_.RunningSeconds().at("m"), 2.0 * (kSteps - 4));
}

TEST_F(EstimatesTest, BatchNeighboursShareTheTime) {
  Connect("w", 4);
  Capacity("w", 4, {{"m", 1}});
  Submit("j", 2);
  Submit("k");
  Progress("w", Ref("j", 1, 0), 5);
  EXPECT_EQ(dispatcher_.EstimatedRemaining("k"), absl::Seconds(2.5 * kSteps));
}

TEST_F(EstimatesTest, WhatIsKnownOfCostsIsKeptAndSet) {
  dispatcher_.SetPrice("m", {.row = 7});
  Submit("j");
  EXPECT_EQ(dispatcher_.queue().Of("m").cost_seconds, 7 * kSteps);
  EXPECT_EQ(dispatcher_.KnownPrices().at("m").row, 7);
  Connect("w", 0);
  Capacity("w", 0, {{"m", 3}});
  EXPECT_EQ(dispatcher_.KnownPrices().at("m").row, 3);
}

TEST_F(EstimatesTest, PositionsAreThoseOfTheOrder) {
  Submit("a");
  Submit("b");
  Submit(Job("high", 1, v1::PRIORITY_HIGH));
  EXPECT_EQ(dispatcher_.queue().AheadOf("high"), 0);
  EXPECT_EQ(dispatcher_.queue().AheadOf("a"), 1);
  EXPECT_EQ(dispatcher_.queue().AheadOf("b"), 2);
  Connect("w", 0);
  Capacity("w", 0, {{"m", 2}});
  EXPECT_EQ(dispatcher_.EstimatedWaitOf("b"), absl::Seconds(2 * 2.0 * kSteps));
}

}  // namespace
}  // namespace mind::server
