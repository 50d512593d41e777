// What a request becomes once it is checked.
#include "server/generation/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "proto/support/errors.h"
#include "proto/support/seeds.h"
#include "proto/support/time.h"
#include "tests/unit/server/validate_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

TEST(Validate, FillsInEveryDefault) {
  const auto job = CheckRequest(RequestOfSd());
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
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->mutable_variation()->set_strength(0.2);
  const auto random = CheckRequest(request);
  ASSERT_TRUE(random.ok()) << random.status();
  EXPECT_TRUE(random->spec.variation().has_seed());
  EXPECT_NE(random->spec.variation().seed(), random->spec.seed());
  request.mutable_spec()->mutable_variation()->set_seed(7);
  EXPECT_EQ(CheckRequest(request)->spec.variation().seed(), 7U);
  request.mutable_spec()->mutable_variation()->set_strength(0);
  EXPECT_FALSE(CheckRequest(request)->spec.has_variation());
  for (const double wrong : {-0.1, 1.1, std::nan("")}) {
    request.mutable_spec()->mutable_variation()->set_strength(wrong);
    EXPECT_THAT(CheckRequest(request).status().message(), testing::HasSubstr("spec.variation.strength"))
        << wrong;
  }
  request.mutable_spec()->mutable_variation()->clear_strength();
  EXPECT_THAT(CheckRequest(request).status().message(),
              HasSubstr("spec.variation.strength: not given; a variation needs one, 0 to 1"));
}

// Of a seed only the low 32 bits say which noise it is.
TEST(Validate, RandomVariationsAreOfOtherNoiseThanAnyPicture) {
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->set_image_count(16);
  request.mutable_spec()->mutable_variation()->set_strength(0.5);
  const auto job = CheckRequest(request);
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
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->mutable_variation()->set_strength(0.2);
  EXPECT_THAT(CheckRequest(request, models).status().message(),
              HasSubstr("spec.variation: this model takes none"));
  request.mutable_spec()->mutable_variation()->set_strength(0);
  EXPECT_TRUE(CheckRequest(request, models).ok());
}

TEST(Validate, PicturesWithoutSeamsAreForModelsThatMakeThem) {
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->set_tiling(true);
  EXPECT_THAT(CheckRequest(request).status().message(), HasSubstr("spec.tiling: this model takes none"));
  Models models = TwoModels();
  models.at("sd").set_takes_tiling(true);
  EXPECT_TRUE(CheckRequest(request, models).ok());
}

TEST(Validate, CountsTheCostInRows) {
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->set_sampler("heun");
  request.mutable_spec()->set_steps(10);
  request.mutable_spec()->set_image_count(3);
  EXPECT_EQ(CheckRequest(request)->rows, 10 * 2 * 2 * 3);
  request.mutable_spec()->set_guidance(1);
  EXPECT_EQ(CheckRequest(request)->rows, 10 * 2 * 1 * 3);
  request.mutable_spec()->set_source_image("picture");
  EXPECT_EQ(CheckRequest(request)->spec.strength(), 0.8);
  EXPECT_EQ(CheckRequest(request)->rows, 8 * 2 * 1 * 3);  // the last eight steps
}

TEST(Validate, NeedsNoModelNameWhereOneIsMeant) {
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->clear_model();
  const auto job = Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, absl::Now(), {"sd"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.model(), "sd");
  EXPECT_THAT(std::string(CheckRequest(request).status().message()), HasSubstr("The server knows: ddpm, sd"));
  const absl::Status status =
      Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, absl::Now(), {"sd", "ddpm"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("These fit the request: sd, ddpm"));
}

TEST(Validate, KnowsNoModelBeforeAWorkerCame) {
  const absl::Status status = CheckRequest(RequestOfSd(), {}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(GetRetryDelay(status).has_value());
}

TEST(Validate, LorasAreOfTheModelAndHaveAScale) {
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->add_loras()->set_name("gold");
  request.mutable_spec()->add_loras()->set_name("ink");
  request.mutable_spec()->mutable_loras(1)->set_scale(-0.5);
  const auto job = CheckRequest(request);
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
    const auto job = CheckRequest(request, models);
    return job.ok() ? job->spec.class_label() : std::string(job.status().message());
  };
  EXPECT_EQ(number("tabby"), "0");
  EXPECT_EQ(number("cat, tabby"), "0");
  EXPECT_EQ(number("2"), "2");
  EXPECT_THAT(number("3"), HasSubstr("it must be 0 to 2 or a name"));
  EXPECT_THAT(number("tab"), HasSubstr("\"tab\" given"));
  EXPECT_THAT(number(""), HasSubstr("this model needs one"));
}

TEST(Validate, AModelThatChangesPicturesNeedsOneUnlessItMakesThemToo) {
  Models models = TwoModels();
  models.at("sd").add_tasks(v1::TASK_EDIT);
  EXPECT_THAT(CheckRequest(RequestOfSd(), models).status().message(),
              HasSubstr("spec.source_image: this model changes pictures: it needs one"));
  models.at("sd").add_tasks(v1::TASK_TEXT_TO_IMAGE);
  EXPECT_TRUE(CheckRequest(RequestOfSd(), models).ok());
}

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
  v1::JobRequest request = RequestOfSd();
  request.mutable_spec()->clear_model();
  const absl::StatusOr<ValidatedJob> meant = check(request);
  ASSERT_TRUE(meant.ok()) << meant.status();
  EXPECT_EQ(meant->spec.model(), "sd");
  EXPECT_EQ(meant->priority, v1::PRIORITY_NORMAL);
  EXPECT_EQ(meant->highest_priority, v1::PRIORITY_NORMAL);
  request.mutable_spec()->set_model("ddpm");
  EXPECT_EQ(reason_of(check(request).status()), "MODEL_NOT_ALLOWED");
  request = RequestOfSd();
  request.set_priority(v1::PRIORITY_HIGH);
  EXPECT_EQ(check(request)->priority, v1::PRIORITY_NORMAL);
  request.set_priority(v1::PRIORITY_LOW);
  EXPECT_EQ(check(request)->priority, v1::PRIORITY_LOW);
  // Nor does what is usual exceed it.
  const Caller low{.highest_priority = v1::PRIORITY_LOW};
  EXPECT_EQ(Validate(RequestOfSd(), low, TwoModels(), RequestLimits{}, 99, absl::Now())->priority,
            v1::PRIORITY_LOW);
}

TEST(Validate, AQualityIsForWhatLosesSomething) {
  v1::JobRequest request = RequestOfSd();
  v1::ImageSpec& spec = *request.mutable_spec();
  spec.set_quality(80);
  EXPECT_THAT(CheckRequest(request).status().message(), HasSubstr("PNG loses nothing"));
  for (const v1::ImageFormat format : {v1::IMAGE_FORMAT_JPEG, v1::IMAGE_FORMAT_WEBP}) {
    spec.set_format(format);
    for (const uint32_t quality : {1U, 80U, 100U}) {
      spec.set_quality(quality);
      EXPECT_EQ(CheckRequest(request)->spec.quality(), quality);
    }
    for (const uint32_t quality : {0U, 101U}) {
      spec.set_quality(quality);
      EXPECT_THAT(CheckRequest(request).status().message(), HasSubstr("it must be 1 to 100"));
    }
  }
}

TEST(Validate, ATimeToLiveIsADeadlineByTheServersClock) {
  const absl::Time now = absl::Now();
  v1::JobRequest request = RequestOfSd();
  request.mutable_ttl()->set_seconds(90);
  EXPECT_EQ(Validate(request, Caller{}, TwoModels(), RequestLimits{}, 99, now)->deadline,
            now + absl::Seconds(90));
  *request.mutable_deadline() = ToTimestamp(now + absl::Hours(1));
  EXPECT_THAT(CheckRequest(request).status().message(), HasSubstr("ttl: given together with deadline"));
  request.clear_deadline();
  for (const int64_t seconds : {int64_t{0}, int64_t{-5}, int64_t{400'000'000}, INT64_MAX}) {
    request.mutable_ttl()->set_seconds(seconds);
    EXPECT_EQ(CheckRequest(request).status().code(), absl::StatusCode::kInvalidArgument) << seconds;
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
    v1::JobRequest request = RequestOfSd();
    set(*request.mutable_spec());
    return std::string(CheckRequest(request, models).status().message());
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
