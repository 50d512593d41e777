// What is refused, and in which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/unit/server/validate_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

struct Bad {
  const char* name;
  std::function<void(v1::JobRequest&)> spoil;
  absl::StatusCode code;
  const char* message;
};

class ValidateRefusals : public testing::TestWithParam<Bad> {};

TEST_P(ValidateRefusals, IsRefusedWithAPreciseError) {
  v1::JobRequest request = RequestOfSd();
  GetParam().spoil(request);
  const absl::Status status = CheckRequest(request).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_TRUE(GetErrorInfo(status).has_value());
  if (absl::IsInvalidArgument(status)) {
    EXPECT_TRUE(GetBadRequest(status).has_value());
  }
  EXPECT_TRUE(IsValidUtf8(std::string(status.message())));
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

const Bad kBad[] = {
    {"UnknownModel", [](auto& r) { r.mutable_spec()->set_model("nope"); }, absl::StatusCode::kNotFound,
     "no model is named \"nope\"; known: ddpm, sd"},
    {"UnknownLora", [](auto& r) { r.mutable_spec()->add_loras()->set_name("nope"); }, kInvalid,
     "spec.loras[0].name: \"nope\" is none of this model's: ink, gold"},
    {"LoraTwice",
     [](auto& r) {
       r.mutable_spec()->add_loras()->set_name("ink");
       r.mutable_spec()->add_loras()->set_name("ink");
     },
     kInvalid, "spec.loras[1].name: \"ink\" is given twice"},
    {"LoraScaleTooLarge",
     [](auto& r) {
       r.mutable_spec()->add_loras()->set_name("ink");
       r.mutable_spec()->mutable_loras(0)->set_scale(11);
     },
     kInvalid, "spec.loras[0].scale: 11 given; it must be -10 to 10"},
    {"LoraScaleNotANumber",
     [](auto& r) {
       r.mutable_spec()->add_loras()->set_name("ink");
       r.mutable_spec()->mutable_loras(0)->set_scale(std::nan(""));
     },
     kInvalid, "spec.loras[0].scale: nan given"},
    {"TooManyLoras",
     [](auto& r) {
       for (int i = 0; i < 9; ++i) r.mutable_spec()->add_loras()->set_name("ink");
     },
     kInvalid, "spec.loras: 9 given, at most 8 are allowed"},
    {"NoiseLevelWhereNoneIsTaken", [](auto& r) { r.mutable_spec()->set_noise_level(5); }, kInvalid,
     "spec.noise_level: this model takes none"},
    {"ClassWhereNoneIsTaken", [](auto& r) { r.mutable_spec()->set_class_label("cat"); }, kInvalid,
     "spec.class_label: this model takes none"},
    {"WidthNotAMultiple", [](auto& r) { r.mutable_spec()->set_width(513); }, kInvalid,
     "spec.width: 513 given; it must be a multiple of 8 from 8 to 1024"},
    {"WidthZero", [](auto& r) { r.mutable_spec()->set_width(0); }, kInvalid, "spec.width: 0 given"},
    {"HeightTooLarge", [](auto& r) { r.mutable_spec()->set_height(1032); }, kInvalid,
     "spec.height: 1032 given"},
    {"NoSteps", [](auto& r) { r.mutable_spec()->set_steps(0); }, kInvalid,
     "spec.steps: 0 given; it must be 1 to 1000"},
    {"AMillionSteps", [](auto& r) { r.mutable_spec()->set_steps(1000000); }, kInvalid,
     "spec.steps: 1000000 given"},
    {"PromptOfAMegabyte", [](auto& r) { r.mutable_spec()->set_prompt(std::string(1 << 20, 'x')); }, kInvalid,
     "1048576 bytes given, at most 8192"},
    {"PromptNotUtf8", [](auto& r) { r.mutable_spec()->set_prompt("\xff\xfe"); }, kInvalid,
     "spec.prompt: not valid UTF-8"},
    {"NegativePromptNotUtf8", [](auto& r) { r.mutable_spec()->set_negative_prompt("\xc0\x80"); }, kInvalid,
     "spec.negative_prompt: not valid UTF-8"},
    {"UnknownSampler", [](auto& r) { r.mutable_spec()->set_sampler("magic"); }, kInvalid,
     "\"magic\" is not known; known: pndm, ddim, heun"},
    {"GuidanceNan", [](auto& r) { r.mutable_spec()->set_guidance(NAN); }, kInvalid,
     "spec.guidance: nan given; it must be 0 to 100"},
    {"GuidanceInfinite", [](auto& r) { r.mutable_spec()->set_guidance(INFINITY); }, kInvalid,
     "spec.guidance: inf given"},
    {"GuidanceNegative", [](auto& r) { r.mutable_spec()->set_guidance(-1); }, kInvalid,
     "spec.guidance: -1 given"},
    {"StrengthWithoutImage", [](auto& r) { r.mutable_spec()->set_strength(0.5); }, kInvalid,
     "spec.strength: given without source_image"},
    {"GuidanceRescaleAboveOne", [](auto& r) { r.mutable_spec()->set_guidance_rescale(1.5); }, kInvalid,
     "spec.guidance_rescale: 1.5 given; it must be 0 to 1"},
    {"ClipSkipTooDeep", [](auto& r) { r.mutable_spec()->set_clip_skip(3); }, kInvalid,
     "spec.clip_skip: 3 given; it must be 0 to 2"},
    {"NoSuchEmphasis", [](auto& r) { r.mutable_spec()->set_emphasis(static_cast<v1::PromptEmphasis>(9)); },
     kInvalid, "spec.emphasis: 9 is not a PromptEmphasis"},
    {"SecondPromptForAModelWithout", [](auto& r) { r.mutable_spec()->set_prompt_2("a dog"); }, kInvalid,
     "spec.prompt_2: this model takes none"},
    {"SecondNegativePromptForAModelWithout",
     [](auto& r) { r.mutable_spec()->set_negative_prompt_2("a dog"); }, kInvalid,
     "spec.negative_prompt_2: this model takes none"},
    {"ThirdPromptForAModelWithout", [](auto& r) { r.mutable_spec()->set_prompt_3("a dog"); }, kInvalid,
     "spec.prompt_3: this model takes none"},
    {"ThirdNegativePromptForAModelWithout", [](auto& r) { r.mutable_spec()->set_negative_prompt_3("a dog"); },
     kInvalid, "spec.negative_prompt_3: this model takes none"},
    {"FrameForAModelWithout", [](auto& r) { r.mutable_spec()->mutable_frame(); }, kInvalid,
     "spec.frame: this model takes none"},
    {"AestheticScoreForAModelWithout", [](auto& r) { r.mutable_spec()->set_aesthetic_score(6); }, kInvalid,
     "spec.aesthetic_score: this model takes none"},
    {"MaskWithoutImage", [](auto& r) { r.mutable_spec()->set_mask_image("mask"); }, kInvalid,
     "spec.mask_image: given without source_image"},
    {"DepthForAModelWithout", [](auto& r) { r.mutable_spec()->set_depth_image("depth"); }, kInvalid,
     "spec.depth_image: this model takes none"},
    {"StrengthTooLarge",
     [](auto& r) {
       r.mutable_spec()->set_source_image("picture");
       r.mutable_spec()->set_strength(1.5);
     },
     kInvalid, "spec.strength: 1.5 given; it must be 0 to 1"},
    {"StrengthOfNoStep",
     [](auto& r) {
       r.mutable_spec()->set_source_image("picture");
       r.mutable_spec()->set_strength(0.01);
     },
     kInvalid, "spec.strength: 0.01 of 30 steps is less than one"},
    {"TooManyImages", [](auto& r) { r.mutable_spec()->set_image_count(17); }, kInvalid,
     "spec.image_count: 17 given; it must be 1 to 16"},
    {"NoImages", [](auto& r) { r.mutable_spec()->set_image_count(0); }, kInvalid,
     "spec.image_count: 0 given"},
    {"UnknownFormat", [](auto& r) { r.mutable_spec()->set_format(static_cast<v1::ImageFormat>(77)); },
     kInvalid, "77 is not an ImageFormat"},
    {"UnknownPriority", [](auto& r) { r.set_priority(static_cast<v1::Priority>(9)); }, kInvalid,
     "9 is not a Priority"},
    {"DeadlinePassed", [](auto& r) { *r.mutable_deadline() = ToTimestamp(absl::Now() - absl::Seconds(1)); },
     absl::StatusCode::kDeadlineExceeded, "already passed"},
    {"DeadlineInvalid", [](auto& r) { r.mutable_deadline()->set_nanos(-5); }, kInvalid,
     "not a valid timestamp"},
    {"PromptForAModelWithout", [](auto& r) { r.mutable_spec()->set_model("ddpm"); }, kInvalid,
     "this model takes none"},
    {"GuidanceForAModelWithout",
     [](auto& r) {
       r.mutable_spec()->set_model("ddpm");
       r.mutable_spec()->clear_prompt();
       r.mutable_spec()->set_guidance(2);
     },
     kInvalid, "was not trained for guidance"},
};

INSTANTIATE_TEST_SUITE_P(Table, ValidateRefusals, testing::ValuesIn(kBad),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mind::server
