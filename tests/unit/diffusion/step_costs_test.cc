#include "worker/diffusion/engine/step_costs.h"

#include <gtest/gtest.h>

#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

class StepCostsTest : public testing::Test {
 protected:
  // The default size is 64, latents of 8x8.
  const std::shared_ptr<const Pipeline> pipeline_ = LoadPipeline(MIND_TEST_DATA "/golden/models/sd1", {});
  StepCosts costs_{{}};

  std::unique_ptr<Trajectory> Of(int64_t width, int64_t height) const {
    auto trajectory = std::make_unique<Trajectory>();
    trajectory->request.model = "sd1";
    Stage& stage = trajectory->stages.emplace_back();
    stage.pipeline = pipeline_;
    stage.shape = pipeline_->LatentShape(width, height);
    return trajectory;
  }
  double RowSeconds() const { return costs_.RowSeconds().at("sd1"); }
};

TEST_F(StepCostsTest, OfTheDefaultSizeWhateverElseRuns) {
  EXPECT_TRUE(costs_.RowSeconds().empty());
  costs_.Record(*Of(64, 64), 2, 4);
  EXPECT_DOUBLE_EQ(RowSeconds(), 2);
  costs_.Record(*Of(256, 256), 1, 99);
  EXPECT_DOUBLE_EQ(RowSeconds(), 2);
}

TEST_F(StepCostsTest, FromOtherSizesWhereTheDefaultOneNeverRan) {
  costs_.Record(*Of(128, 64), 1, 3);
  EXPECT_DOUBLE_EQ(RowSeconds(), 1.5);  // in proportion
  costs_.Record(*Of(256, 64), 1, 5);
  EXPECT_DOUBLE_EQ(RowSeconds(), 2);  // 1 + 2 · so many times the default size
}

// A network attends to the tokens of pictures that it goes by as to those that it makes.
TEST_F(StepCostsTest, PicturesToGoByAreMoreOfIt) {
  const std::unique_ptr<Trajectory> t = Of(64, 64);
  t->conditioning.rows.push_back({{Condition::kReference, at::zeros({8 * 8, 4})}});
  costs_.Record(*t, 1, 4);
  EXPECT_DOUBLE_EQ(RowSeconds(), 2);  // by twice as many numbers, in proportion
  EXPECT_EQ(costs_.shapes(), 1U);
  costs_.Record(*Of(64, 64), 1, 3);
  EXPECT_DOUBLE_EQ(RowSeconds(), 3);
  EXPECT_EQ(costs_.shapes(), 2U);
}

TEST_F(StepCostsTest, NoiseDoesNotMakeALargerSizeQuicker) {
  costs_.Record(*Of(32, 32), 1, 3);
  costs_.Record(*Of(48, 32), 1, 2);
  EXPECT_GE(RowSeconds(), 2);
}

TEST_F(StepCostsTest, WhatIsLeftIsWhatItsEvaluationsTake) {
  const std::unique_ptr<Trajectory> t = Of(64, 64);
  Stage& stage = t->stages.back();
  stage.sampler = MakeSampler("heun", pipeline_->sampler_config(), 10);
  stage.end = 10;
  t->conditioning.rows.resize(2);
  EXPECT_EQ(costs_.SecondsLeft(*t), 0);  // not measured
  costs_.Record(*t, 2, 1);
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 19);  // 19 evaluations of two rows
  t->state.step = 5;
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 9.5);
  t->conditioning.guidance.steps = {0, 0.7};  // one row each in the last three
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 9.5 * 7 / 10);
}

TEST_F(StepCostsTest, AScorerIsMeasuredByItself) {
  const std::shared_ptr<Trajectory> t = Of(64, 64), plain = Of(64, 64);
  for (const auto& one : {t, plain}) {
    Stage& stage = one->stages.back();
    stage.sampler = MakeSampler("ddim", pipeline_->sampler_config(), 10);
    stage.end = 10;
    one->conditioning.rows.resize(2);
  }
  t->conditioning.scoring.scorer = reinterpret_cast<const PictureScorer*>(this);  // one that is not asked
  costs_.Record(*t, 2, 1);
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 10);
  EXPECT_EQ(costs_.ScoringSeconds({t, t}), 0);  // not measured
  EXPECT_TRUE(costs_.ScorerRows().empty());
  costs_.RecordScoring(*t, 2, 3);
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 10 + 15);
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*plain), 10);
  EXPECT_DOUBLE_EQ(costs_.ScoringSeconds({t, plain, t}), 3);
  EXPECT_DOUBLE_EQ(costs_.ScorerRows().at("sd1"), 3);
  EXPECT_DOUBLE_EQ(RowSeconds(), 0.5);  // without it
}

TEST_F(StepCostsTest, WhatIsLeftIsOfAllStagesThatWereMeasured) {
  const std::unique_ptr<Trajectory> t = Of(64, 64);
  t->stages.emplace_back().pipeline = pipeline_;
  t->stages.back().shape = pipeline_->LatentShape(256, 256);
  for (Stage& stage : t->stages) {
    stage.sampler = MakeSampler("ddim", pipeline_->sampler_config(), 10);
    stage.end = 10;
  }
  t->conditioning.rows.resize(1);
  t->state.step = 8;
  costs_.Record(*t, 1, 1);
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 2);
  t->stage_number = 1;
  costs_.Record(*t, 1, 16);
  t->stage_number = 0;
  EXPECT_DOUBLE_EQ(costs_.SecondsLeft(*t), 2 + 160);
}

TEST_F(StepCostsTest, RemembersSoManyShapes) {
  for (int64_t i = 1; i <= 300; ++i) costs_.Record(*Of(64, 8 * i), 1, 1);
  EXPECT_EQ(costs_.shapes(), StepCosts::kMostShapes);
  costs_.Record(*Of(64, 8 * 300), 3, 6);  // still known: smoothed, not anew
  EXPECT_LT(costs_.Of(*Of(64, 8 * 300)).seconds_per_row(), 2);
}

TEST_F(StepCostsTest, StagesOfOneShapeAreKeptApart) {
  const std::unique_ptr<Trajectory> first = Of(64, 64), second = Of(64, 64);
  second->stages.emplace_back().pipeline = pipeline_;
  second->stages.back().shape = second->stages.front().shape;
  second->stage_number = 1;
  costs_.Record(*first, 1, 1);
  costs_.Record(*second, 1, 3);
  EXPECT_EQ(costs_.shapes(), 2U);
  EXPECT_DOUBLE_EQ(RowSeconds(), 2);
}

}  // namespace
}  // namespace mind::diffusion
