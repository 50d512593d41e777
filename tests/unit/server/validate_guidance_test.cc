#include "server/generation/validate_guidance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mind::server {
namespace {

using ::testing::HasSubstr;

v1::Model Guided() {
  v1::Model model;
  model.set_takes_guidance_interval(true);
  model.set_takes_projected_guidance(true);
  return model;
}

v1::ImageSpec Within(double begin, double end) {
  v1::ImageSpec spec;
  spec.set_guidance(5);
  spec.set_steps(10);
  spec.mutable_guidance_interval()->set_begin(begin);
  spec.mutable_guidance_interval()->set_end(end);
  return spec;
}

std::string GuidanceError(const v1::Model& model, v1::ImageSpec spec) {
  const absl::Status status = ResolveGuidance(model, {}, spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ValidateGuidance, AnIntervalIsWhollyWithinTheSteps) {
  EXPECT_EQ(GuidanceError({}, Within(0, 0.5)), "spec.guidance_interval: this model takes none");
  for (const double end : {0.0, -0.5, 1.5, std::nan("")}) {
    EXPECT_THAT(GuidanceError(Guided(), Within(0, end)), HasSubstr("spec.guidance_interval.end: "));
    EXPECT_THAT(GuidanceError(Guided(), Within(0, end)), HasSubstr("given; it must be more than 0, up to 1"));
  }
  for (const double begin : {0.5, 0.6, -0.1, std::nan("")}) {
    EXPECT_THAT(GuidanceError(Guided(), Within(begin, 0.5)),
                HasSubstr("given; it must be 0 to less than 0.5, where it ends"));
  }
  v1::ImageSpec spec = Within(0.2, 0.8);
  spec.mutable_guidance_interval()->clear_end();
  ASSERT_TRUE(ResolveGuidance(Guided(), {}, spec).ok());
  EXPECT_EQ(spec.guidance_interval().end(), 1);
}

TEST(ValidateGuidance, AnIntervalOfAllStepsIsNone) {
  v1::ImageSpec spec = Within(0, 1);
  ASSERT_TRUE(ResolveGuidance(Guided(), {}, spec).ok());
  EXPECT_FALSE(spec.has_guidance_interval());
}

TEST(ValidateGuidance, AProjectionIsWithinItsBounds) {
  v1::ImageSpec spec;
  v1::ProjectedGuidance& projected = *spec.mutable_projected_guidance();
  EXPECT_EQ(GuidanceError({}, spec), "spec.projected_guidance: this model takes none");
  for (const double momentum : {-1.0, 1.0, std::nan("")}) {
    projected.set_momentum(momentum);
    EXPECT_THAT(GuidanceError(Guided(), spec), HasSubstr("given; it must be more than -1, less than 1"));
  }
  projected.set_momentum(-0.5);
  for (const double norm : {-1.0, 2e6, std::nan("")}) {
    projected.set_norm_threshold(norm);
    EXPECT_THAT(GuidanceError(Guided(), spec), HasSubstr("spec.projected_guidance.norm_threshold: "));
  }
  projected.set_norm_threshold(15);
  projected.set_eta(1.5);
  EXPECT_EQ(GuidanceError(Guided(), spec), "spec.projected_guidance.eta: 1.5 given; it must be 0 to 1");
  projected.clear_eta();
  ASSERT_TRUE(ResolveGuidance(Guided(), {}, spec).ok());
  EXPECT_EQ(spec.projected_guidance().eta(), 1);
  spec.mutable_projected_guidance()->Clear();  // all of it, of any length
  ASSERT_TRUE(ResolveGuidance(Guided(), {}, spec).ok());
  EXPECT_FALSE(spec.has_projected_guidance());
}

TEST(ValidateGuidance, AScorerLeadsTowardsATextOrAClass) {
  v1::Model model;
  v1::ImageSpec spec;
  spec.mutable_scorer_guidance()->set_scale(2);
  EXPECT_EQ(GuidanceError(model, spec), "spec.scorer_guidance: this model has no scorer");
  model.mutable_scorer()->set_kind(v1::SCORER_KIND_TEXT);
  EXPECT_EQ(
      GuidanceError(model, spec),
      "spec.scorer_guidance.target: this model's scorer leads towards a text: it needs one where there is no "
      "prompt");
  spec.set_prompt("an owl");
  EXPECT_TRUE(ResolveGuidance(model, {}, spec).ok());
  spec.mutable_scorer_guidance()->set_target("\xff");
  EXPECT_EQ(GuidanceError(model, spec), "spec.scorer_guidance.target: not valid UTF-8");
  spec.mutable_scorer_guidance()->set_target("a bird");
  for (const double scale : {0.0, -1.0, 20000.0, std::nan("")}) {
    spec.mutable_scorer_guidance()->set_scale(scale);
    EXPECT_THAT(GuidanceError(model, spec), HasSubstr("given; it must be more than 0, up to 10000"));
  }
  spec.mutable_scorer_guidance()->set_scale(2);
  model.mutable_scorer()->set_kind(v1::SCORER_KIND_CLASS);
  model.mutable_scorer()->set_class_count(2);
  EXPECT_EQ(
      GuidanceError(model, spec),
      "spec.scorer_guidance.target: \"a bird\" given; this model's scorer leads towards classes 0 to 1");
  model.set_class_count(2);
  model.add_class_names("cat");
  model.add_class_names("bird, a bird");
  ASSERT_TRUE(ResolveGuidance(model, {}, spec).ok());
  EXPECT_EQ(spec.scorer_guidance().target(), "1");
  spec.mutable_scorer_guidance()->clear_target();
  spec.set_class_label("0");
  ASSERT_TRUE(ResolveGuidance(model, {}, spec).ok());
  EXPECT_EQ(spec.scorer_guidance().target(), "0");
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 3);  // guidance is 0, which is not 1
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 3);   // nobody has measured the scorer
  model.mutable_scorer()->set_rows(4.5);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 6.5);
}

TEST(ValidateGuidance, StepsWithoutGuidanceCostOneRow) {
  v1::ImageSpec spec = Within(0, 1);
  spec.clear_guidance_interval();
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 2);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(Within(0.25, 0.75), nullptr), 1.5);  // steps 2 to 6
  spec = Within(0.25, 0.75);
  spec.set_strength(0.5);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 1.4);  // 1 and 2 of five
  spec.mutable_perturbed_guidance()->set_scale(2);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 2.4);
  spec.set_guidance(1);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 2);
  // Steps 2, 3 and 4 of ten, as diffusers counts them; of all, 1 to 4.
  spec = Within(0, 1);
  spec.clear_guidance_interval();
  spec.mutable_perturbed_guidance()->mutable_interval()->set_begin(0.1);
  spec.mutable_perturbed_guidance()->mutable_interval()->set_end(0.5);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 2.3);
  spec.mutable_perturbed_guidance()->mutable_interval()->set_begin(0.05);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, nullptr), 2.4);
  v1::Model editor;
  editor.add_tasks(v1::TASK_EDIT);
  spec = Within(0.5, 1);
  spec.set_picture_guidance(1.5);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &editor), 1.5);  // it has no row for that
  editor.set_takes_picture_guidance(true);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &editor), 2);
}

// FLUX.1 dev, Kontext and Fill, and students of SDXL, are told their guidance as a number.
TEST(ValidateGuidance, WhatIsToldItsGuidanceTakesOneRow) {
  v1::Model model;
  v1::ImageSpec spec = Within(0, 1);
  spec.clear_guidance_interval();
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 2);
  model.set_second_row(v1::SECOND_ROW_NEVER);
  spec.set_negative_prompt("fog");
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 1);
  model.set_second_row(v1::SECOND_ROW_NEGATIVE_PROMPT);
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 2);
  spec.clear_negative_prompt();
  EXPECT_DOUBLE_EQ(RowsPerEvaluation(spec, &model), 1);
}

}  // namespace
}  // namespace mind::server
