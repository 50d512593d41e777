#include "worker/diffusion/engine/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/engine_rig.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class CheckpointTest : public EngineRig {};

class CheckpointOfSampler : public EngineRig, public testing::WithParamInterface<std::string> {};

TEST_P(CheckpointOfSampler, GoesOnFromEveryCheckpointToTheSamePicture) {
  TrajectoryRequest request = Request(GetParam());
  if (GetParam() == "ddim") request.sampler_parameters["eta"] = 0.7;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  std::map<int64_t, std::string> checkpoints;
  {
    const std::lock_guard lock(whole->mutex);
    checkpoints = whole->checkpoints;
  }
  ASSERT_GE(checkpoints.size(), 4U);
  for (const auto& [step, bytes] : checkpoints) {
    TrajectoryRequest rest = request;
    rest.checkpoint = bytes;
    auto events = std::make_shared<Recorder>();
    engine.Submit(rest, events);
    ASSERT_EQ(events->Wait(), Ending::kPicture);
    EXPECT_EQ(events->started_at, step);
    EXPECT_TRUE(at::equal(events->picture, whole->picture)) << "from step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(All, CheckpointOfSampler, testing::ValuesIn(AllSamplers()),
                         [](const auto& info) { return info.param; });

TEST_F(CheckpointTest, AHandedBackPictureGoesOnElsewhere) {
  const TrajectoryRequest request = Request("heun", 8);
  std::string bytes;
  {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    uint64_t id = 0;
    std::promise<void> submitted;
    std::shared_future<void> ready = submitted.get_future().share();
    events->on_step = [&](int64_t step) {
      ready.wait();
      if (step == 3) engine.HandBack(id);
    };
    id = engine.Submit(request, events);
    submitted.set_value();
    ASSERT_EQ(events->Wait(), Ending::kHandedBack);
    bytes = events->handed_back;
  }
  ASSERT_FALSE(bytes.empty());
  TrajectoryRequest rest = request;
  rest.checkpoint = bytes;
  EXPECT_TRUE(at::equal(Alone(rest), Alone(request)));
}

// Of the same name and the same request, but with other weights.
TEST_F(CheckpointTest, ACheckpointOfAnotherRevisionOfTheModelIsRefused) {
  auto whole = std::make_shared<Recorder>();
  TrajectoryRequest request = Request();
  {
    Engine engine(*models_, Options());
    engine.Submit(request, whole);
    ASSERT_EQ(whole->Wait(), Ending::kPicture);
  }
  ASSERT_FALSE(whole->checkpoints.empty());
  request.checkpoint = whole->checkpoints.begin()->second;
  support::ModelFolder folder;
  folder.Add("sd1", "sd1");
  const std::filesystem::path scheduler = folder.path() + "/sd1/scheduler";
  std::filesystem::remove(scheduler);
  std::filesystem::create_directory(scheduler);
  std::ofstream(scheduler / "scheduler_config.json") << R"({"_class_name": "DDIMScheduler"})";
  ModelCache other(folder.path(), {});
  Engine engine(other, Options());
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("another revision of the model \"sd1\""));
}

// Each field by itself: a fingerprint that overlooks one lets checkpoints of another picture pass.
TEST_F(CheckpointTest, EveryFieldThatMakesAnotherPictureIsInTheFingerprint) {
  const std::vector<std::function<void(TrajectoryRequest&)>> changes = {
      [](TrajectoryRequest& r) { r.model = "sd2"; },
      [](TrajectoryRequest& r) { r.picture.prompt += "!"; },
      [](TrajectoryRequest& r) { r.picture.negative_prompt = "blur"; },
      [](TrajectoryRequest& r) { r.picture.prompt_3 = "a dog"; },
      [](TrajectoryRequest& r) { r.picture.negative_prompt_3 = "fog"; },
      [](TrajectoryRequest& r) { r.picture.perturbed.scale = 2; },
      [](TrajectoryRequest& r) { r.picture.perturbed = {.scale = 2, .steps = {.after = 0.1}}; },
      [](TrajectoryRequest& r) { r.picture.perturbed = {.scale = 2, .steps = {.before = 0.5}}; },
      [](TrajectoryRequest& r) { r.picture.guidance += 1; },
      [](TrajectoryRequest& r) { r.picture.guidance_rescale = 0.5; },
      [](TrajectoryRequest& r) { r.picture.guided_steps.begin = 0.5; },
      [](TrajectoryRequest& r) { r.picture.guided_steps.end = 0.5; },
      [](TrajectoryRequest& r) { r.picture.projection.momentum = -0.5; },
      [](TrajectoryRequest& r) { r.picture.projection.longest = 15; },
      [](TrajectoryRequest& r) { r.picture.projection.along = 0; },
      [](TrajectoryRequest& r) { r.picture.scorer.scale = 2; },
      [](TrajectoryRequest& r) { r.picture.scorer = {.scale = 2, .target = "a dog"}; },
      [](TrajectoryRequest& r) { r.picture.clip_skip = 1; },
      [](TrajectoryRequest& r) { r.picture.label = 0; },
      [](TrajectoryRequest& r) { r.picture.noise_level += 1; },
      [](TrajectoryRequest& r) {
        r.picture.loras.push_back({"style", 1});
      },
      [](TrajectoryRequest& r) {
        r.picture.loras.push_back({"style", 0.5});
      },
      [](TrajectoryRequest& r) { r.width = 72; },
      [](TrajectoryRequest& r) { r.height = 72; },
      [](TrajectoryRequest& r) { r.sampler = "euler"; },
      [](TrajectoryRequest& r) { r.steps += 1; },
      [](TrajectoryRequest& r) { r.sampler_parameters["eta"] = 0.5; },
      [](TrajectoryRequest& r) { r.seed += 1; },
      [](TrajectoryRequest& r) { r.source = "a"; },
      [](TrajectoryRequest& r) { r.references = {"a"}; },
      [](TrajectoryRequest& r) {
        r.references = {"a", "b"};
      },
      [](TrajectoryRequest& r) { r.mask = "a"; },
      [](TrajectoryRequest& r) { r.depth = "a"; },
      [](TrajectoryRequest& r) { r.strength = 0.5; }};
  std::set<std::string> fingerprints = {Fingerprint(Request())};
  for (size_t i = 0; i < changes.size(); ++i) {
    TrajectoryRequest changed = Request();
    changes[i](changed);
    EXPECT_TRUE(fingerprints.insert(Fingerprint(changed)).second) << i;
  }
  TrajectoryRequest shown = Request();
  shown.priority = 1;
  shown.preview_every = 7;
  shown.checkpoint = "bytes";
  EXPECT_EQ(Fingerprint(shown), Fingerprint(Request()));
}

TEST_F(CheckpointTest, ACheckpointOfAnotherRequestIsRefused) {
  Engine engine(*models_, Options());
  auto first = std::make_shared<Recorder>();
  engine.Submit(Request(), first);
  ASSERT_EQ(first->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  TrajectoryRequest other = Request();
  other.seed = 8;
  {
    const std::lock_guard lock(first->mutex);
    ASSERT_FALSE(first->checkpoints.empty());
    other.checkpoint = first->checkpoints.begin()->second;
  }
  auto events = std::make_shared<Recorder>();
  engine.Submit(other, events);
  ASSERT_EQ(events->Wait(), Ending::kFailed);
  EXPECT_THAT(events->Error(), HasSubstr("belongs to another request"));
}

TEST_F(CheckpointTest, ADamagedCheckpointIsRefused) {
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  TrajectoryRequest request = Request("dpm_adaptive");
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    request.checkpoint = whole->checkpoints.begin()->second;
  }
  request.checkpoint.back() ^= 1;  // in the data of the last tensor
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("the checkpoint is damaged"));
}

}  // namespace
}  // namespace mind::diffusion
