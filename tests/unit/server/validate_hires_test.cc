#include "server/generation/validate_hires.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/time/clock.h"
#include "server/generation/validate.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

v1::Model Enlarger() {
  v1::Model model;
  model.set_name("sd");
  model.set_takes_prompt(true);
  model.set_takes_source_image(true);
  model.set_takes_hires(true);
  model.set_size_multiple(8);
  model.set_default_width(512);
  model.set_default_height(384);
  model.set_max_width(1024);
  model.set_max_height(1024);
  model.set_default_steps(20);
  model.set_max_steps(100);
  model.set_default_guidance(7.5);
  model.set_default_sampler("heun");
  model.add_samplers()->set_name("heun");
  model.mutable_samplers(0)->set_evaluations_per_step(2);
  return model;
}

absl::StatusOr<ValidatedJob> Checked(const v1::Hires& hires, const v1::Model& model = Enlarger(),
                                     const v1::ImageSpec& more = {}) {
  v1::JobRequest request;
  *request.mutable_spec() = more;
  request.mutable_spec()->set_model("sd");
  *request.mutable_spec()->mutable_hires() = hires;
  return Validate(request, Caller{}, {{"sd", model}}, RequestLimits{}, 99, absl::Now());
}

std::string HiresRefusalOf(const v1::Hires& hires, const v1::Model& model = Enlarger(),
                           const v1::ImageSpec& more = {}) {
  return std::string(Checked(hires, model, more).status().message());
}

TEST(ValidateHires, FillsInSizeStepsAndStrength) {
  const auto job = Checked({});
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::Hires& hires = job->spec.hires();
  EXPECT_EQ(hires.width(), 1024U);
  EXPECT_EQ(hires.height(), 768U);
  EXPECT_EQ(hires.scale(), 2);
  EXPECT_EQ(hires.steps(), 20U);
  EXPECT_EQ(hires.strength(), 0.7);
  EXPECT_EQ(hires.upscaler(), v1::HIRES_UPSCALER_LATENT);
}

TEST(ValidateHires, StepsAndCostAreOfBothPasses) {
  v1::Hires hires;
  hires.set_steps(5);
  const auto job = Checked(hires);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->later_steps, 5U);
  // Two evaluations a step, two rows each; those of the second pass are four times as large.
  EXPECT_EQ(job->rows, 20 * 2 * 2 + 5 * 2 * 2 * 4);
}

TEST(ValidateHires, OneSideFollowsTheOther) {
  v1::Hires hires;
  hires.set_width(800);
  EXPECT_EQ(Checked(hires)->spec.hires().height(), 600U);
  EXPECT_FALSE(Checked(hires)->spec.hires().has_scale());
  hires.clear_width();
  hires.set_height(640);
  EXPECT_EQ(Checked(hires)->spec.hires().width(), 848U);  // 853 rounded down
  hires.set_width(640);
  EXPECT_EQ(Checked(hires)->spec.hires().width(), 640U);
  hires.Clear();
  hires.set_scale(1.3);
  EXPECT_EQ(Checked(hires)->spec.hires().width(), 664U);  // 665.6
}

TEST(ValidateHires, TheSizeHasTheModelsBounds) {
  v1::Hires hires;
  hires.set_scale(2.5);
  EXPECT_THAT(HiresRefusalOf(hires),
              HasSubstr("spec.hires.width: it would be 1280; it must be a multiple of 8"));
  hires.Clear();
  hires.set_width(1000);
  hires.set_height(1001);
  EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.height: it would be 1001"));
  for (const double scale : {1.0, 8.5, -2.0, std::nan("")}) {
    hires.Clear();
    hires.set_scale(scale);
    EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.scale")) << scale;
  }
  hires.set_scale(2);
  hires.set_width(640);
  EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.scale: given together"));
}

TEST(ValidateHires, StepsAreTheLastOfNoMoreThanTheModelHas) {
  v1::Hires hires;
  hires.set_steps(70);
  EXPECT_EQ(HiresRefusalOf(hires), "");
  hires.set_strength(0.5);
  EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.steps: 70 given, the last of 140"));
  hires.set_steps(0);
  EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.steps"));
  for (const double strength : {0.0, 1.5, std::nan("")}) {
    hires.set_strength(strength);
    EXPECT_THAT(HiresRefusalOf(hires), HasSubstr("spec.hires.strength")) << strength;
  }
}

TEST(ValidateHires, IsForModelsThatTakeItAndPicturesOfNoise) {
  v1::Model without = Enlarger();
  without.clear_takes_hires();
  EXPECT_THAT(HiresRefusalOf({}, without), HasSubstr("spec.hires: this model takes none"));
  v1::ImageSpec more;
  more.set_source_image("picture");
  EXPECT_THAT(HiresRefusalOf({}, Enlarger(), more), HasSubstr("spec.hires: given with source_image"));
  v1::Model listing = Enlarger();
  v1::SamplerParameter& list = *listing.mutable_samplers(0)->add_parameters();
  list.set_name("timesteps");
  list.set_kind(v1::PARAMETER_KIND_NUMBERS);
  list.set_max(1000);
  more.Clear();
  auto& values = *(*more.mutable_sampler_parameters())["timesteps"].mutable_list_value();
  values.add_values()->set_number_value(900);
  values.add_values()->set_number_value(400);
  EXPECT_THAT(HiresRefusalOf({}, listing, more), HasSubstr("spec.hires: given with a list"));
}

}  // namespace
}  // namespace mind::server
