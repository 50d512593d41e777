// Steering by pictures, and changing them as the prompt says, through the engine, on SDXL in small. The
// numbers are checked against recorded ones by mind-golden.
#include "worker/diffusion/models/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_xl.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/row_executor.h"
#include "worker/diffusion/engine/step_batch.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ControlTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    Write("steered", {.steered = true});
    Write("fused", {.fused = true});
    Write("edit", {.edit = true});
    Write("plain", {});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static void Write(const std::string& name, const TinyXlOptions& options) {
    const std::filesystem::path tokenizer = mind::support::ModelFolder::Golden() / "models/sd1/tokenizer";
    TinyXl::Write(folder_->path() + "/" + name, tokenizer.string(), options);
  }

  static TrajectoryRequest Request(const std::string& model, int64_t steps = 6) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = 5;
    request.width = 32;
    request.height = 48;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }
  static TrajectoryRequest Steered(const std::string& network) {
    TrajectoryRequest request = Request("steered");
    request.controls = {{.network = network, .picture = "stripes"}};
    return request;
  }

  // Two pictures, by the length of their files.
  static Engine::Options Options() {
    return {
        .row_threads = 2,
        .checkpoint_interval = std::chrono::milliseconds(0),
        .decode = [](const std::string& file) {
          const auto size = static_cast<int64_t>(file.size());
          return at::arange(48 * 32 * 3, at::kFloat).mul(size).remainder(251).to(at::kByte).view({48, 32, 3});
        }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* ControlTest::folder_ = nullptr;
ModelCache* ControlTest::models_ = nullptr;

TEST_F(ControlTest, AModelSaysWhatSteersIt) {
  EXPECT_THAT(models_->Get("steered")->info().controls, ElementsAre("edges", "sketch"));
  EXPECT_THAT(models_->Get("plain")->info().controls, ElementsAre());
  EXPECT_TRUE(models_->Get("edit")->info().edits);
  EXPECT_NE(models_->Get("steered")->info().revision, models_->Get("plain")->info().revision);
}

TEST_F(ControlTest, EachMakesAnotherPictureAndTheirEffectsAddUp) {
  const at::Tensor plain = PictureOf(Request("steered"));
  EXPECT_TRUE(at::equal(PictureOf(Request("plain")), plain));
  const at::Tensor edges = PictureOf(Steered("edges")), sketch = PictureOf(Steered("sketch"));
  EXPECT_FALSE(at::equal(edges, plain));
  EXPECT_FALSE(at::equal(sketch, plain));
  TrajectoryRequest other = Steered("edges");
  other.controls[0].picture = "another picture";
  EXPECT_FALSE(at::equal(PictureOf(other), edges));
  TrajectoryRequest both = Steered("edges");
  both.controls.push_back(Steered("sketch").controls[0]);
  const at::Tensor together = PictureOf(both);
  EXPECT_FALSE(at::equal(together, edges));
  EXPECT_FALSE(at::equal(together, sketch));
  both.controls[0].weight = 0;
  EXPECT_TRUE(at::equal(PictureOf(both), sketch));
}

TEST_F(ControlTest, GuessModeSteersOtherwise) {
  TrajectoryRequest request = Steered("edges");
  const at::Tensor all = PictureOf(request);
  request.controls[0].guess_mode = true;
  EXPECT_FALSE(at::equal(PictureOf(request), all));
}

TEST_F(ControlTest, EvaluationsAreCountedFromWhereThePictureBegins) {
  const SamplerConfig& config = models_->Get("plain")->sampler_config();
  struct Case {
    const char* sampler;
    int64_t first;
    std::vector<std::pair<int64_t, int64_t>> calls;  // (step, number within it), in order
  };
  const std::vector<Case> cases = {{"euler", 0, {{0, 0}, {1, 0}, {2, 0}, {3, 0}}},
                                   {"euler", 2, {{2, 0}, {3, 0}}},
                                   {"pndm", 0, {{0, 0}, {0, 1}, {1, 0}, {2, 0}, {3, 0}}},
                                   {"pndm", 2, {{2, 0}, {2, 1}, {3, 0}}},
                                   {"heun", 0, {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {3, 0}}},
                                   {"heun", 2, {{2, 0}, {2, 1}, {3, 0}}}};
  for (const Case& one : cases) {
    const auto sampler = MakeSampler(one.sampler, config, 4, {});
    for (size_t i = 0; i < one.calls.size(); ++i) {
      const CallNumber call = CallNumber::Of(*sampler, one.first, 4, one.calls[i].first, one.calls[i].second);
      EXPECT_EQ(call.number, static_cast<int64_t>(i)) << one.sampler << " from " << one.first;
      EXPECT_EQ(call.of, static_cast<int64_t>(one.calls.size())) << one.sampler << " from " << one.first;
    }
  }
}

TEST_F(ControlTest, SteersTheStepsItIsGiven) {
  Told told;
  told.Add({.network = nullptr, .maps = {}, .weight = {}, .graded = false, .within = {0.2, 0.7}});
  std::vector<int64_t> steered;
  for (int64_t step = 0; step < 6; ++step) {
    if (!told.At(step, 6).controls().empty()) steered.push_back(step);
  }
  EXPECT_THAT(steered, ElementsAre(2, 3));
  TrajectoryRequest request = Steered("edges");
  const at::Tensor all = PictureOf(request);
  request.controls[0].end = 0.5;
  EXPECT_FALSE(at::equal(PictureOf(request), all));
  request.controls[0].end = 0.1;  // less than a step
  EXPECT_TRUE(at::equal(PictureOf(request), PictureOf(Request("steered"))));
}

// The steps are counted from where the picture began, also where it is gone on with.
TEST_F(ControlTest, FromAnyCheckpointThePictureComesOutTheSame) {
  TrajectoryRequest request = Steered("edges");
  request.controls.push_back(
      {.network = "sketch", .picture = "lines", .weight = 0.5, .begin = 0.3, .end = 1});
  request.controls[0].end = 0.7;
  for (const std::string source : {"", "picture"}) {
    request.source = source;
    request.strength = 0.7;
    request.checkpoint.clear();
    const auto whole = Run(request);
    ASSERT_EQ(whole->Error(), "");
    ASSERT_GE(whole->checkpoints.size(), 3U);
    for (const auto& [step, bytes] : whole->checkpoints) {
      request.checkpoint = bytes;
      EXPECT_TRUE(at::equal(PictureOf(request), whole->picture)) << source << " from step " << step;
    }
  }
}

// Steered and not, by one network and by another, in the same batches: none sees the others.
TEST_F(ControlTest, NeighboursMakeNoDifference) {
  std::vector<TrajectoryRequest> requests = {Request("steered"), Steered("edges"), Steered("sketch"),
                                             Steered("edges")};
  requests.back().picture.guidance = 1;
  Engine engine(*models_, Options());
  std::vector<std::shared_ptr<Recorder>> together;
  for (const TrajectoryRequest& request : requests) {
    together.push_back(std::make_shared<Recorder>());
    engine.Submit(request, together.back());
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    together[i]->Wait();
    ASSERT_EQ(together[i]->Error(), "");
    EXPECT_TRUE(at::equal(together[i]->picture, PictureOf(requests[i]))) << i;
  }
  engine.WaitUntilIdle();
}

// The steps choose their neighbours whatever steers them.
TEST_F(ControlTest, SteeredAndPlainShareABatch) {
  const c10::InferenceMode inference;
  const auto model = models_->Get("steered");
  const TrajectoryRequest request = Request("steered");
  std::vector<std::shared_ptr<Trajectory>> parked;
  for (const std::string network : {"", "edges", "sketch"}) {
    parked.push_back(std::make_shared<Trajectory>());
    Trajectory& trajectory = *parked.back();
    trajectory.id = parked.size();
    trajectory.stages.emplace_back();
    trajectory.stages.back().pipeline = model;
    trajectory.stages.back().shape = {4, 24, 16};
    trajectory.conditioning = model->Condition(request.picture, {4, 24, 16});
    Source source;
    if (!network.empty()) source.controls = {{.network = network, .picture = at::rand({3, 48, 32})}};
    model->Tell(source, {}, request.picture, trajectory.conditioning);
  }
  const BatchCap cap({.floor = 16, .ceiling = 16});
  StepBatches batches({.cap_of = [&cap](const Trajectory&) -> const BatchCap& { return cap; },
                       .seconds_left = [](const Trajectory&) { return 1.0; },
                       .busy_above = [](int64_t) { return size_t{0}; }});
  const auto batch = batches.Next(parked);
  ASSERT_EQ(batch.size(), parked.size());
  std::vector<EvaluationRow> rows;
  for (const auto& trajectory : batch) {
    for (const Told& told : trajectory->conditioning.rows)
      rows.push_back({at::randn({4, 24, 16}), 500, told, {}});
  }
  const auto batched = MakeBatchedExecutor()->Run(model->denoiser(), rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(batched[i].error, nullptr) << i;
    const auto alone = MakeSideBySideExecutor(1)->Run(model->denoiser(), {rows[i]});
    EXPECT_TRUE(at::allclose(batched[i].output, alone[0].output, 1e-4, 1e-4)) << i;
  }
}

// Where rows run as one forward, only those steered by the same networks run together.
TEST_F(ControlTest, ABatchHoldsRowsSteeredAlike) {
  const c10::InferenceMode inference;
  const auto model = models_->Get("steered");
  const TrajectoryRequest request = Request("steered");
  std::vector<EvaluationRow> rows;
  for (const std::string network : {"", "edges", "sketch", "edges"}) {
    Conditioning conditioning = model->Condition(request.picture, {4, 24, 16});
    Source source;
    if (!network.empty())
      source.controls = {
          {.network = network, .picture = at::rand({3, 48, 32}), .weight = 0.5 + 0.1 * rows.size()}};
    model->Tell(source, {}, request.picture, conditioning);
    rows.push_back({at::randn({4, 24, 16}), 500, conditioning.rows.back(), {}});
  }
  EXPECT_TRUE(SameTensors(rows[0].told, rows[1].told));
  EXPECT_TRUE(SameShape(rows[1].told, rows[3].told));
  EXPECT_FALSE(SameShape(rows[0].told, rows[1].told));
  EXPECT_FALSE(SameShape(rows[1].told, rows[2].told));
  const auto batched = MakeBatchedExecutor()->Run(model->denoiser(), rows);
  const auto alone = MakeSideBySideExecutor(1)->Run(model->denoiser(), rows);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_TRUE(at::allclose(batched[i].output, alone[i].output, 1e-4, 1e-4)) << i;
}

// One network that knows several kinds of pictures, shown two of them: not what each alone makes, and each by
// its weight and in its steps.
TEST_F(ControlTest, SeveralKindsAreSeenAtOnce) {
  const auto shown = [](std::vector<ControlInput> pictures) {
    TrajectoryRequest request = Request("fused");
    for (ControlInput& picture : pictures) picture.network = "many";
    request.controls = std::move(pictures);
    return request;
  };
  EXPECT_THAT(models_->Get("fused")->info().control_kinds, ElementsAre(4));
  EXPECT_THAT(models_->Get("steered")->info().control_kinds, ElementsAre(0, 0));
  const ControlInput first = {.picture = "stripes", .kind = 1}, second = {.picture = "lines", .kind = 3};
  const at::Tensor both = PictureOf(shown({first, second}));
  EXPECT_FALSE(at::equal(both, PictureOf(shown({first}))));
  EXPECT_FALSE(at::equal(both, PictureOf(shown({second}))));
  ControlInput other = second;
  other.kind = 2;
  EXPECT_FALSE(at::equal(both, PictureOf(shown({first, other}))));
  ControlInput lighter = second;
  lighter.weight = 0.4;
  EXPECT_FALSE(at::equal(both, PictureOf(shown({first, lighter}))));
  ControlInput sooner = second;
  sooner.end = 0.5;
  const TrajectoryRequest partly = shown({first, sooner});
  const auto whole = Run(partly);
  ASSERT_EQ(whole->Error(), "");
  EXPECT_FALSE(at::equal(both, whole->picture));
  for (const auto& [step, bytes] : whole->checkpoints) {
    TrajectoryRequest resumed = partly;
    resumed.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureOf(resumed), whole->picture)) << "from step " << step;
  }
}

TEST_F(ControlTest, PicturesOfAWrongKindAreRefused) {
  const auto error = [](std::vector<ControlInput> pictures, const std::string& model = "fused") {
    TrajectoryRequest request = Request(model);
    request.controls = std::move(pictures);
    return Run(request)->Error();
  };
  EXPECT_THAT(error({{.network = "many", .picture = "lines"}}),
              HasSubstr("\"many\" needs the kind of each picture, 0 to 3"));
  EXPECT_THAT(error({{.network = "many", .picture = "lines", .kind = 4}}), HasSubstr("0 to 3, given: 4"));
  const ControlInput one = {.network = "many", .picture = "lines", .kind = 1};
  EXPECT_THAT(error({one, one}), HasSubstr("takes one picture of a kind"));
  ControlInput graded = one;
  graded.kind = 2;
  graded.guess_mode = true;
  EXPECT_THAT(error({one, graded}), HasSubstr("for all of its pictures or none"));
  EXPECT_THAT(error({{.network = "edges", .picture = "lines", .kind = 0}}, "steered"),
              HasSubstr("\"edges\" knows one kind of picture"));
}

TEST_F(ControlTest, WhatCannotBeIsRefusedByName) {
  EXPECT_THAT(Run(Steered("depth"))->Error(), HasSubstr("no control network named \"depth\""));
  TrajectoryRequest plain = Steered("edges");
  plain.model = "plain";
  EXPECT_THAT(Run(plain)->Error(), HasSubstr("no control network named \"edges\""));
  TrajectoryRequest guess = Steered("sketch");
  guess.controls[0].guess_mode = true;
  EXPECT_THAT(Run(guess)->Error(), HasSubstr("\"sketch\" is an adapter, which cannot be graded"));
}

// Three rows: guided towards the prompt and towards the picture.
TEST_F(ControlTest, AnEditIsGuidedByPromptAndPicture) {
  TrajectoryRequest request = Request("edit");
  EXPECT_THAT(Run(request)->Error(), HasSubstr("this model changes pictures: it needs a source picture"));
  request.source = "picture";
  const auto whole = Run(request);
  ASSERT_EQ(whole->Error(), "");
  for (const auto& [step, bytes] : whole->checkpoints) {
    TrajectoryRequest resumed = request;
    resumed.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureOf(resumed), whole->picture)) << "from step " << step;
  }
  TrajectoryRequest closer = request;
  closer.picture.picture_guidance = 3;
  EXPECT_FALSE(at::equal(PictureOf(closer), whole->picture));
  TrajectoryRequest other = request;
  other.source = "another picture";
  EXPECT_FALSE(at::equal(PictureOf(other), whole->picture));

  const c10::InferenceMode inference;
  const auto model = models_->Get("edit");
  Start start;
  start.channels = at::ones({4, 24, 16});
  const auto rows = [&](double guidance, double picture_guidance) {
    PictureRequest picture;
    picture.guidance = guidance;
    picture.picture_guidance = picture_guidance;
    Conditioning conditioning = model->Condition(picture, {4, 24, 16});
    model->Tell({}, start, picture, conditioning);
    return conditioning.rows;
  };
  EXPECT_EQ(rows(5, 0.9).size(), 1U);
  EXPECT_EQ(rows(1, 1.5).size(), 1U);
  const std::vector<Told> three = rows(5, 1.5);
  ASSERT_EQ(three.size(), 3U);
  EXPECT_EQ(three[0][Condition::kChannels].abs().max().item<float>(), 0);
  EXPECT_TRUE(at::equal(three[1][Condition::kChannels], start.channels));
  EXPECT_TRUE(at::equal(three[0][Condition::kText], three[1][Condition::kText]));
}

}  // namespace
}  // namespace mind::diffusion
