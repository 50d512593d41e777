// Every family of models through the engine: from request to picture, from every checkpoint to the same
// picture, and beside all the others.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

struct Family {
  const char* model;
  const char* prompt;
  std::optional<int64_t> label;
  bool source = false;
  int64_t steps = 4;
};

const Family kFamilies[] = {
    {"sd1", "a photo of a cat", {}},
    {"sd2", "a photo of a cat", {}},
    {"sd-zh-bert", "\u4e00\u53ea\u732b", {}},
    {"sd-x4-upscaler", "a photo of a cat", {}, true},
    {"glide", "an oil painting of a corgi", {}},
    {"cascade", "a photo of a cat", {}},
    {"dit", "", 7},
    {"ddpm-classcond", "", 3, false, 30},
    {"ddpm-uncond-cosine", "", {}, false, 15},
    {"ddpm-cifar", "", {}},
    {"ncsnpp", "", {}},
};

class FamiliesTest : public testing::TestWithParam<Family> {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    if (models_ != nullptr) return;
    static support::ModelFolder folder;
    for (const auto& entry : std::filesystem::directory_iterator(support::ModelFolder::Golden() / "models"))
      folder.Add(entry.path().filename(), entry.path().filename());
    folder.AddCascade("cascade");
    models_ = new ModelCache(folder.path(), {});
  }

  static Engine::Options Options() {
    Engine::Options options;
    options.row_threads = 2;
    options.checkpoint_interval = std::chrono::milliseconds(0);  // after every step
    options.decode = [](const std::string&) {
      return at::arange(20 * 24 * 3, at::kFloat).remainder(251).to(at::kByte).view({20, 24, 3});
    };
    return options;
  }

  static TrajectoryRequest RequestOf(const Family& family) {
    TrajectoryRequest request;
    request.model = family.model;
    const ModelInfo& info = models_->Get(family.model)->info();
    request.picture.prompt = family.prompt;
    request.picture.label = family.label;
    request.picture.guidance = info.default_guidance;
    if (family.source) request.source = "picture";
    request.width = info.default_width;
    request.height = info.default_height;
    request.sampler = info.default_sampler;
    request.steps = family.steps;
    request.seed = 5;
    return request;
  }

  static std::string ErrorOf(const TrajectoryRequest& request) {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kFailed);
    return events->Error();
  }

  static ModelCache* models_;
};

ModelCache* FamiliesTest::models_ = nullptr;

TEST_P(FamiliesTest, GoesOnFromEveryCheckpointToTheSamePicture) {
  const TrajectoryRequest request = RequestOf(GetParam());
  const ModelInfo& info = models_->Get(request.model)->info();
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  EXPECT_EQ(whole->picture.sizes(), (at::IntArrayRef{info.default_height, info.default_width, 3}));
  EXPECT_EQ(whole->steps, request.steps + info.later_steps);
  std::map<int64_t, std::string> checkpoints;
  {
    const std::lock_guard lock(whole->mutex);
    EXPECT_FALSE(whole->previews.empty());
    checkpoints = whole->checkpoints;
  }
  // After every step but the last of each stage, which the next one follows at once.
  ASSERT_GE(checkpoints.size(), static_cast<size_t>(request.steps + info.later_steps - 2));
  for (const auto& [step, bytes] : checkpoints) {
    TrajectoryRequest rest = request;
    rest.checkpoint = bytes;
    auto events = std::make_shared<Recorder>();
    engine.Submit(rest, events);
    ASSERT_EQ(events->Wait(), Ending::kPicture) << "from step " << step << ": " << events->Error();
    EXPECT_EQ(events->started_at, step);
    EXPECT_TRUE(at::equal(events->picture, whole->picture)) << "from step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FamiliesTest, testing::ValuesIn(kFamilies), [](const auto& info) {
  std::string name = info.param.model;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Whose step is next is StepTurns's; whatever that says, pictures are what they are alone.
TEST_F(FamiliesTest, AllModelsTogetherMakeThePicturesTheyMakeAlone) {
  std::vector<std::shared_ptr<Recorder>> alone, together;
  for (const Family& family : kFamilies) {
    Engine engine(*models_, Options());
    alone.push_back(std::make_shared<Recorder>());
    engine.Submit(RequestOf(family), alone.back());
    ASSERT_EQ(alone.back()->Wait(), Ending::kPicture) << alone.back()->Error();
  }
  {
    Engine::Options options = Options();
    options.side_threads = 1;  // prepares them in order
    Engine engine(*models_, options);
    // Prepared last, and refused: then all the others are ready. The step thread waits for it.
    auto last = std::make_shared<Recorder>();
    bool began = false;  // the step thread's
    for (const Family& family : kFamilies) {
      auto recorder = std::make_shared<Recorder>();
      recorder->on_step = [&](int64_t) {
        if (!std::exchange(began, true)) last->Wait();
      };
      together.push_back(recorder);
      engine.Submit(RequestOf(family), recorder);
    }
    TrajectoryRequest refused = RequestOf(kFamilies[0]);
    refused.width = 1;
    engine.Submit(refused, last);
    for (const auto& recorder : together) {
      ASSERT_EQ(recorder->Wait(), Ending::kPicture) << recorder->Error();
    }
  }
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(at::equal(alone[i]->picture, together[i]->picture)) << kFamilies[i].model;
  }
}

TEST_F(FamiliesTest, ACascadeIsGivenBackInsideItsSecondStage) {
  const TrajectoryRequest request = RequestOf({"glide", "a corgi", {}});
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  ASSERT_GE(whole->side_work.size(), 3U);  // before them it may have waited for the model
  EXPECT_THAT(std::vector(whole->side_work.end() - 3, whole->side_work.end()),
              testing::ElementsAre(SideWork::kEncoding, SideWork::kUpscaling, SideWork::kDecoding));

  auto part = std::make_shared<Recorder>();
  std::promise<uint64_t> submitted;
  const std::shared_future<uint64_t> id = submitted.get_future().share();
  part->on_step = [&](int64_t step) {
    if (step == request.steps + 3) engine.HandBack(id.get());
  };
  submitted.set_value(engine.Submit(request, part));
  ASSERT_EQ(part->Wait(), Ending::kHandedBack) << part->Error();
  TrajectoryRequest rest = request;
  rest.checkpoint = part->handed_back;
  auto second = std::make_shared<Recorder>();
  engine.Submit(rest, second);
  ASSERT_EQ(second->Wait(), Ending::kPicture) << second->Error();
  EXPECT_EQ(second->started_at, request.steps + 3);
  EXPECT_TRUE(at::equal(second->picture, whole->picture));
}

TEST_F(FamiliesTest, ACascadesSecondStageBeginsWithThePictureOfTheFirst) {
  const ModelInfo& info = models_->Get("cascade")->info();
  EXPECT_EQ(info.default_width, 256);
  EXPECT_EQ(info.later_steps, 3);
  EXPECT_EQ(info.stages, (std::vector<std::string>{"cascade-base", "cascade-upscaler"}));
  EXPECT_EQ(info.size_multiple, 32);
  Engine engine(*models_, Options());
  auto small = std::make_shared<Recorder>(), whole = std::make_shared<Recorder>();
  engine.Submit(RequestOf({"cascade-base", "a photo of a cat", {}}), small);
  ASSERT_EQ(small->Wait(), Ending::kPicture) << small->Error();
  const TrajectoryRequest request = RequestOf({"cascade", "a photo of a cat", {}});
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  const std::lock_guard lock(whole->mutex);
  const SafeTensors second = SafeTensors::Parse(whole->checkpoints.at(request.steps + 1), "checkpoint");
  EXPECT_TRUE(at::equal(second.Get("stage_source"), small->picture));
}

TEST_F(FamiliesTest, ACascadesLaterStageIsSampledAsAskedFor) {
  const ModelInfo& info = models_->Get("cascade")->info();
  ASSERT_EQ(info.later_stages.size(), 1U);
  EXPECT_EQ(info.later_stages[0].default_steps, 3);
  TrajectoryRequest request = RequestOf({"cascade", "a photo of a cat", {}});
  const auto made = [&] {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    return std::pair(events->picture, events->steps.load());
  };
  const at::Tensor plain = made().first;
  LaterStage& stage = request.picture.later_stages.emplace_back();
  EXPECT_TRUE(at::equal(made().first, plain));
  stage.steps = 5;
  const auto [longer, steps] = made();
  EXPECT_EQ(steps, request.steps + 5);
  EXPECT_FALSE(at::equal(longer, plain));
  stage = {.steps = std::nullopt, .guidance = 3, .noise_level = std::nullopt};
  EXPECT_FALSE(at::equal(made().first, plain));
  stage = {.steps = std::nullopt, .guidance = std::nullopt, .noise_level = 100};
  EXPECT_FALSE(at::equal(made().first, plain));
  stage.noise_level = info.later_stages[0].max_noise_level + 1;
  EXPECT_THAT(ErrorOf(request), HasSubstr("noise_level must be"));
  request.picture.later_stages.emplace_back();
  EXPECT_THAT(ErrorOf(request), HasSubstr("later stages 1 can be told"));
}

TEST_F(FamiliesTest, GlidesUpsamplerIsSampledInAsManyStepsAsAskedFor) {
  const ModelInfo& info = models_->Get("glide")->info();
  ASSERT_EQ(info.later_stages.size(), 1U);
  EXPECT_EQ(info.later_stages[0].name, "upsampler");
  EXPECT_EQ(info.later_stages[0].default_steps, info.later_steps);
  TrajectoryRequest request = RequestOf({"glide", "a photo of a cat", {}});
  const auto made = [&] {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kPicture) << events->Error();
    return std::pair(events->picture, events->steps.load());
  };
  const at::Tensor plain = made().first;
  LaterStage& stage = request.picture.later_stages.emplace_back();
  stage.steps = info.later_steps;
  EXPECT_TRUE(at::equal(made().first, plain));
  stage.steps = 4;
  const auto [shorter, steps] = made();
  EXPECT_EQ(steps, request.steps + 4);
  EXPECT_FALSE(at::equal(shorter, plain));
  stage.guidance = 2;
  EXPECT_THAT(ErrorOf(request), HasSubstr("this model's upsampler takes no guidance of its own"));
}

TEST_F(FamiliesTest, WhatAModelDoesNotTakeIsNamed) {
  TrajectoryRequest request = RequestOf({"dit", "", 1000});
  EXPECT_THAT(ErrorOf(request), HasSubstr("the label must be 0 to 999, given: 1000"));
  request.picture.label.reset();
  EXPECT_THAT(ErrorOf(request), HasSubstr("a label is needed, 0 to 999"));
  EXPECT_THAT(ErrorOf(RequestOf({"ddpm-uncond-cosine", "", 1, false, 15})),
              HasSubstr("this model has no classes"));
  request = RequestOf({"sd1", "a cat", {}});
  request.width = 63;
  EXPECT_THAT(ErrorOf(request), HasSubstr("width and height must be multiples of 8"));
  request = RequestOf({"sd-x4-upscaler", "a cat", {}});
  EXPECT_THAT(ErrorOf(request), HasSubstr("it needs a source picture"));
  request.source = "picture";
  request.picture.noise_level = 351;
  EXPECT_THAT(ErrorOf(request), HasSubstr("noise_level must be 0 to 350, given: 351"));
}

}  // namespace
}  // namespace mind::diffusion
