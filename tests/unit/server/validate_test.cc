#include "server/generation/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/seeds.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

Models TwoModels() {
  v1::Model text;
  text.set_name("sd");
  text.set_takes_prompt(true);
  text.set_takes_negative_prompt(true);
  text.set_takes_source_image(true);
  text.set_takes_variation(true);
  text.set_max_clip_skip(2);
  text.set_size_multiple(8);
  text.set_default_width(512);
  text.set_default_height(512);
  text.set_max_width(1024);
  text.set_max_height(1024);
  text.set_default_steps(30);
  text.set_max_steps(1000);
  text.set_default_guidance(7.5);
  text.set_default_sampler("pndm");
  text.add_loras("ink");
  text.add_loras("gold");
  for (const auto& [name, evaluations] :
       {std::pair("pndm", 1.0), std::pair("ddim", 1.0), std::pair("heun", 2.0)}) {
    v1::Sampler* const sampler = text.add_samplers();
    sampler->set_name(name);
    sampler->set_evaluations_per_step(evaluations);
  }
  v1::Model pixels = text;
  pixels.set_name("ddpm");
  pixels.set_takes_prompt(false);
  pixels.set_takes_negative_prompt(false);
  pixels.set_default_guidance(1);
  return {{"sd", text}, {"ddpm", pixels}};
}

v1::JobRequest Request() {
  v1::JobRequest request;
  request.mutable_spec()->set_model("sd");
  request.mutable_spec()->set_prompt("a cat");
  return request;
}

absl::StatusOr<ValidatedJob> Check(const v1::JobRequest& request, const Models& models = TwoModels()) {
  return Validate(request, Caller{}, models, RequestLimits{}, 99, absl::Now());
}

TEST(Validate, FillsInEveryDefault) {
  const auto job = Check(Request());
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.width(), 512U);
  EXPECT_EQ(job->spec.steps(), 30U);
  EXPECT_EQ(job->spec.guidance(), 7.5);
  EXPECT_EQ(job->spec.sampler(), "pndm");
  EXPECT_EQ(job->spec.seed(), 99U);
  EXPECT_EQ(job->spec.image_count(), 1U);
  EXPECT_EQ(job->spec.format(), v1::IMAGE_FORMAT_PNG);
  EXPECT_EQ(job->spec.preview_every(), 1U);
  EXPECT_EQ(job->priority, v1::PRIORITY_NORMAL);
  EXPECT_EQ(job->rows, 60);
}

TEST(Validate, AVariationHasASeedAndAStrength) {
  v1::JobRequest request = Request();
  request.mutable_spec()->mutable_variation()->set_strength(0.2);
  const auto random = Check(request);
  ASSERT_TRUE(random.ok()) << random.status();
  EXPECT_TRUE(random->spec.variation().has_seed());
  EXPECT_NE(random->spec.variation().seed(), random->spec.seed());
  request.mutable_spec()->mutable_variation()->set_seed(7);
  EXPECT_EQ(Check(request)->spec.variation().seed(), 7U);
  request.mutable_spec()->mutable_variation()->set_strength(0);
  EXPECT_FALSE(Check(request)->spec.has_variation());
  for (const double wrong : {-0.1, 1.1, std::nan("")}) {
    request.mutable_spec()->mutable_variation()->set_strength(wrong);
    EXPECT_THAT(Check(request).status().message(), testing::HasSubstr("spec.variation.strength")) << wrong;
  }
  request.mutable_spec()->mutable_variation()->clear_strength();
  EXPECT_THAT(Check(request).status().message(),
              HasSubstr("spec.variation.strength: not given; a variation needs one, 0 to 1"));
}

// Of a seed only the low 32 bits say which noise it is.
TEST(Validate, RandomVariationsAreOfOtherNoiseThanAnyPicture) {
  v1::JobRequest request = Request();
  request.mutable_spec()->set_image_count(16);
  request.mutable_spec()->mutable_variation()->set_strength(0.5);
  const auto job = Check(request);
  ASSERT_TRUE(job.ok()) << job.status();
  v1::ImageSpec plain = job->spec;
  plain.clear_variation();
  for (uint32_t one = 0; one < 16; ++one) {
    for (uint32_t other = 0; other < 16; ++other) {
      EXPECT_NE(static_cast<uint32_t>(SeedOf(plain, one)),
                static_cast<uint32_t>(VariationSeedOf(job->spec, other)))
          << one << " " << other;
    }
  }
}

TEST(Validate, AVariationIsForModelsThatTakeIt) {
  Models models = TwoModels();
  models["sd"].set_takes_variation(false);
  v1::JobRequest request = Request();
  request.mutable_spec()->mutable_variation()->set_strength(0.2);
  EXPECT_THAT(Check(request, models).status().message(), HasSubstr("spec.variation: this model takes none"));
  request.mutable_spec()->mutable_variation()->set_strength(0);
  EXPECT_TRUE(Check(request, models).ok());
}

TEST(Validate, PicturesWithoutSeamsAreForModelsThatMakeThem) {
  v1::JobRequest request = Request();
  request.mutable_spec()->set_tiling(true);
  EXPECT_THAT(Check(request).status().message(), HasSubstr("spec.tiling: this model takes none"));
  Models models = TwoModels();
  models.at("sd").set_takes_tiling(true);
  EXPECT_TRUE(Check(request, models).ok());
}

TEST(Validate, CountsTheCostInRows) {
  v1::JobRequest request = Request();
  request.mutable_spec()->set_sampler("heun");
  request.mutable_spec()->set_steps(10);
  request.mutable_spec()->set_image_count(3);
  EXPECT_EQ(Check(request)->rows, 10 * 2 * 2 * 3);
  request.mutable_spec()->set_guidance(1);
  EXPECT_EQ(Check(request)->rows, 10 * 2 * 1 * 3);
  request.mutable_spec()->set_source_image("picture");
  EXPECT_EQ(Check(request)->spec.strength(), 0.8);
  EXPECT_EQ(Check(request)->rows, 8 * 2 * 1 * 3);  // the last eight steps
}

TEST(Validate, NeedsNoModelNameWhereOneIsMeant) {
  v1::JobRequest request = Request();
  request.mutable_spec()->clear_model();
  const auto job = Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, absl::Now(), {"sd"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.model(), "sd");
  EXPECT_THAT(std::string(Check(request).status().message()), HasSubstr("The server knows: ddpm, sd"));
  const absl::Status status =
      Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, absl::Now(), {"sd", "ddpm"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("These fit the request: sd, ddpm"));
}

TEST(Validate, KnowsNoModelBeforeAWorkerCame) {
  const absl::Status status = Check(Request(), {}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(GetRetryDelay(status).has_value());
}

TEST(Validate, LorasAreOfTheModelAndHaveAScale) {
  v1::JobRequest request = Request();
  request.mutable_spec()->add_loras()->set_name("gold");
  request.mutable_spec()->add_loras()->set_name("ink");
  request.mutable_spec()->mutable_loras(1)->set_scale(-0.5);
  const auto job = Check(request);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.loras(0).scale(), 1);
  EXPECT_EQ(job->spec.loras(1).scale(), -0.5);
}

TEST(Validate, AClassBecomesItsNumber) {
  Models models = TwoModels();
  v1::Model& model = models.at("ddpm");
  model.set_class_count(3);
  for (const char* names : {"cat, tabby", "dog", "tree"}) model.add_class_names(names);
  v1::JobRequest request;
  request.mutable_spec()->set_model("ddpm");
  const auto number = [&](const std::string& label) {
    request.mutable_spec()->set_class_label(label);
    const auto job = Check(request, models);
    return job.ok() ? job->spec.class_label() : std::string(job.status().message());
  };
  EXPECT_EQ(number("tabby"), "0");
  EXPECT_EQ(number("cat, tabby"), "0");
  EXPECT_EQ(number("2"), "2");
  EXPECT_THAT(number("3"), HasSubstr("it must be 0 to 2 or a name"));
  EXPECT_THAT(number("tab"), HasSubstr("\"tab\" given"));
  EXPECT_THAT(number(""), HasSubstr("this model needs one"));
}

struct Bad {
  const char* name;
  std::function<void(v1::JobRequest&)> spoil;
  absl::StatusCode code;
  const char* message;
};

class ValidateBad : public testing::TestWithParam<Bad> {};

TEST_P(ValidateBad, IsRefusedWithAPreciseError) {
  v1::JobRequest request = Request();
  GetParam().spoil(request);
  const absl::Status status = Check(request).status();
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

INSTANTIATE_TEST_SUITE_P(Table, ValidateBad, testing::ValuesIn(kBad),
                         [](const auto& info) { return info.param.name; });

TEST(Validate, TenantsHavePlainNames) {
  EXPECT_TRUE(ValidateTenant("acme-1.prod").ok());
  for (const std::string& bad :
       {std::string(), std::string("a b"), std::string(65, 'x'), std::string("\xff")}) {
    EXPECT_FALSE(ValidateTenant(bad).ok());
  }
}

// What the key allows is all there is, also where the request leaves it to the server.
TEST(Validate, AKeysModelsAndPrioritiesAreNotExceeded) {
  const Caller caller{
      .tenant = "acme", .key_id = "abcdefghij", .models = {"sd"}, .highest_priority = v1::PRIORITY_NORMAL};
  const auto check = [&caller](const v1::JobRequest& request) {
    return Validate(request, caller, TwoModels(), RequestLimits{}, 99, absl::Now(), {"sd", "ddpm"});
  };
  const auto reason_of = [](const absl::Status& status) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    const auto info = GetErrorInfo(status);
    return info ? info->reason() : "";
  };
  v1::JobRequest request = Request();
  request.mutable_spec()->clear_model();
  const absl::StatusOr<ValidatedJob> meant = check(request);
  ASSERT_TRUE(meant.ok()) << meant.status();
  EXPECT_EQ(meant->spec.model(), "sd");
  EXPECT_EQ(meant->priority, v1::PRIORITY_NORMAL);
  EXPECT_EQ(meant->highest_priority, v1::PRIORITY_NORMAL);
  request.mutable_spec()->set_model("ddpm");
  EXPECT_EQ(reason_of(check(request).status()), "MODEL_NOT_ALLOWED");
  request = Request();
  request.set_priority(v1::PRIORITY_HIGH);
  EXPECT_EQ(check(request)->priority, v1::PRIORITY_NORMAL);
  request.set_priority(v1::PRIORITY_LOW);
  EXPECT_EQ(check(request)->priority, v1::PRIORITY_LOW);
  // Nor does what is usual exceed it.
  const Caller low{.highest_priority = v1::PRIORITY_LOW};
  EXPECT_EQ(Validate(Request(), low, TwoModels(), RequestLimits{}, 99, absl::Now())->priority,
            v1::PRIORITY_LOW);
}

TEST(Validate, AQualityIsForWhatLosesSomething) {
  v1::JobRequest request = Request();
  v1::ImageSpec& spec = *request.mutable_spec();
  spec.set_quality(80);
  EXPECT_THAT(Check(request).status().message(), HasSubstr("PNG loses nothing"));
  for (const v1::ImageFormat format : {v1::IMAGE_FORMAT_JPEG, v1::IMAGE_FORMAT_WEBP}) {
    spec.set_format(format);
    for (const uint32_t quality : {1U, 80U, 100U}) {
      spec.set_quality(quality);
      EXPECT_EQ(Check(request)->spec.quality(), quality);
    }
    for (const uint32_t quality : {0U, 101U}) {
      spec.set_quality(quality);
      EXPECT_THAT(Check(request).status().message(), HasSubstr("it must be 1 to 100"));
    }
  }
}

TEST(Validate, ATimeToLiveIsADeadlineByTheServersClock) {
  const absl::Time now = absl::Now();
  v1::JobRequest request = Request();
  request.mutable_ttl()->set_seconds(90);
  EXPECT_EQ(Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, now)->deadline,
            now + absl::Seconds(90));
  *request.mutable_deadline() = ToTimestamp(now + absl::Hours(1));
  EXPECT_THAT(Check(request).status().message(), HasSubstr("ttl: given together with deadline"));
  request.clear_deadline();
  for (const int64_t seconds : {int64_t{0}, int64_t{-5}, int64_t{400'000'000}, INT64_MAX}) {
    request.mutable_ttl()->set_seconds(seconds);
    EXPECT_EQ(Check(request).status().code(), absl::StatusCode::kInvalidArgument) << seconds;
  }
}

// What SDXL and its refiner are told beside their prompts.
TEST(Validate, FramesAndScoresAreCheckedForModelsThatTakeThem) {
  Models models = TwoModels();
  v1::Model& model = models.at("sd");
  model.set_takes_second_prompt(true);
  model.set_takes_frame_sizes(true);
  model.set_takes_aesthetic_score(true);
  const auto error = [&](const std::function<void(v1::ImageSpec&)>& set) {
    v1::JobRequest request = Request();
    set(*request.mutable_spec());
    return std::string(Check(request, models).status().message());
  };
  EXPECT_EQ(error([](auto& s) {
              s.set_prompt_2("a dog");
              s.mutable_frame()->set_original_width(4096);
              s.mutable_frame()->set_original_height(4096);
              s.mutable_negative_frame()->set_crop_left(16);
              s.set_aesthetic_score(0);
              s.set_negative_aesthetic_score(10);
              s.set_emphasis(v1::PROMPT_EMPHASIS_NONE);
            }),
            "");
  EXPECT_THAT(error([](auto& s) { s.mutable_frame()->set_original_width(64); }),
              HasSubstr("spec.frame.original_width: a width without its height"));
  EXPECT_THAT(error([](auto& s) { s.mutable_negative_frame()->set_target_height(64); }),
              HasSubstr("spec.negative_frame.target_width: a height without its width"));
  EXPECT_THAT(error([](auto& s) {
                s.mutable_frame()->set_target_width(64);
                s.mutable_frame()->set_target_height(0);
              }),
              HasSubstr("spec.frame.target_height: 0 given; it must be 1 to 16384"));
  EXPECT_THAT(error([](auto& s) { s.mutable_frame()->set_crop_top(16385); }),
              HasSubstr("spec.frame.crop_top: 16385 given; it must be 0 to 16384"));
  EXPECT_THAT(error([](auto& s) { s.set_aesthetic_score(NAN); }),
              HasSubstr("spec.aesthetic_score: nan given; it must be 0 to 10"));
  EXPECT_THAT(error([](auto& s) { s.set_negative_aesthetic_score(11); }),
              HasSubstr("spec.negative_aesthetic_score: 11 given"));
  EXPECT_THAT(error([](auto& s) { s.set_prompt_2("\xff"); }), HasSubstr("spec.prompt_2: not valid UTF-8"));
}

}  // namespace
}  // namespace mind::server
