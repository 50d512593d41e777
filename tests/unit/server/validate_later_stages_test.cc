#include "server/generation/validate_later_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mind::server {
namespace {

using testing::HasSubstr;

v1::Model Cascade() {
  v1::Model model;
  model.set_later_steps(30);
  for (const uint32_t steps : {20U, 10U}) {
    v1::ModelStage& stage = *model.add_later_stages();
    stage.set_default_steps(steps);
    stage.set_max_steps(100);
    stage.set_max_noise_level(350);
  }
  return model;
}

std::string StagesRefusalOf(const v1::ImageSpec& spec) {
  return std::string(CheckLaterStages(Cascade(), 100, spec).message());
}

TEST(ValidateLaterStages, StepsThatAreAskedForAreCounted) {
  v1::ImageSpec spec;
  const v1::Model model = Cascade();
  EXPECT_EQ(LaterSteps(spec, &model), 30U);
  EXPECT_EQ(LaterSteps(spec, nullptr), 0U);
  spec.add_later_stages();
  EXPECT_EQ(LaterSteps(spec, &model), 30U);
  spec.add_later_stages()->set_steps(3);
  EXPECT_EQ(LaterSteps(spec, &model), 23U);
  spec.mutable_later_stages(0)->set_steps(40);
  EXPECT_EQ(LaterSteps(spec, &model), 43U);
  EXPECT_EQ(StagesRefusalOf(spec), "");
}

TEST(ValidateLaterStages, WhatIsSaidHasTheStagesBounds) {
  v1::ImageSpec spec;
  v1::LaterStage& stage = *spec.add_later_stages();
  for (const uint32_t steps : {0U, 101U}) {
    stage.set_steps(steps);
    EXPECT_THAT(StagesRefusalOf(spec), HasSubstr("spec.later_stages[0].steps"));
  }
  stage.clear_steps();
  for (const double guidance : {-1.0, 100.5, std::nan("")}) {
    stage.set_guidance(guidance);
    EXPECT_THAT(StagesRefusalOf(spec), HasSubstr("spec.later_stages[0].guidance"));
  }
  stage.clear_guidance();
  stage.set_noise_level(351);
  EXPECT_THAT(StagesRefusalOf(spec),
              HasSubstr("spec.later_stages[0].noise_level: 351 given; it must be 0 to 350"));
  stage.set_noise_level(350);
  EXPECT_EQ(StagesRefusalOf(spec), "");
  for (int i = 0; i < 2; ++i) spec.add_later_stages();
  EXPECT_THAT(StagesRefusalOf(spec), HasSubstr("spec.later_stages: 3 given; this model has 2"));
}

// Of a model of several networks some stages take less than a cascade's.
TEST(ValidateLaterStages, WhatAStageHasNotIsRefusedByName) {
  v1::Model model;
  v1::ModelStage& prior = *model.add_later_stages();
  prior.set_name("prior");
  prior.set_max_steps(1000);
  prior.set_fixed_guidance(true);
  *model.add_later_stages() = prior;
  model.mutable_later_stages(1)->set_name("enlarger");
  v1::ImageSpec spec;
  spec.add_later_stages()->set_steps(9);
  EXPECT_EQ(CheckLaterStages(model, 100, spec).message(), "");
  spec.mutable_later_stages(0)->set_guidance(4);
  EXPECT_THAT(
      std::string(CheckLaterStages(model, 100, spec).message()),
      HasSubstr("spec.later_stages[0].guidance: this model's prior takes none; what it is guided by is "
                "prior_guidance"));
  spec.mutable_later_stages(0)->clear_guidance();
  spec.add_later_stages()->set_guidance(4);
  EXPECT_THAT(std::string(CheckLaterStages(model, 100, spec).message()),
              HasSubstr("spec.later_stages[1].guidance: this model's enlarger takes none"));
  spec.mutable_later_stages(1)->clear_guidance();
  spec.mutable_later_stages(1)->set_noise_level(1);
  EXPECT_THAT(std::string(CheckLaterStages(model, 100, spec).message()),
              HasSubstr("spec.later_stages[1].noise_level: this model's enlarger takes none"));
}

}  // namespace
}  // namespace mind::server
