// unCLIP's models in small, through the engine: what records do not say. Their numbers are checked against
// recorded ones by mind-golden.
#include "worker/diffusion/pipelines/unclip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_unclip.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/unclip_prior.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Unclip : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    Write("karlo", {});
    Write("karlo-varied", {.varies = true});
    Write("stable", {.stable = true});
    Write("stable-varied", {.stable = true, .varies = true});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static fs::path Path(const std::string& name) { return fs::path(folder_->path()) / name; }
  static void Write(const std::string& name, const TinyUnclipOptions& options) {
    TinyUnclip::Write(Path(name).string(),
                      (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string(), options);
  }

  static TrajectoryRequest Request(const std::string& model, int64_t steps = 4) {
    TrajectoryRequest request;
    request.model = model;
    const bool varied = model.ends_with("varied");
    if (model != "karlo-varied") request.picture.prompt = "a photo of a cat";
    if (varied) request.source = "stripes";
    request.picture.guidance = 5;
    request.picture.noise_level = 0;
    request.width = request.height = 32;
    request.sampler = model.starts_with("karlo") ? "ddpm" : "ddim";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file == "black") return at::zeros({24, 20, 3}, at::kByte);
              return at::arange(48 * 32 * 3, at::kFloat).remainder(251).to(at::kByte).view({48, 32, 3});
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a model whose file has this key otherwise is refused.
  static std::string Refusal(const TinyUnclipOptions& options, const std::string& file,
                             const nlohmann::json& changes) {
    const mind::support::ModelFolder folder;
    const std::string model = folder.path() + "/model";
    TinyUnclip::Write(model, (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string(),
                      options);
    nlohmann::json config = ReadJsonFile(model + "/" + file);
    config.update(changes);
    std::ofstream(model + "/" + file) << config;
    try {
      DescribeModel(model);
      LoadPipeline(model, {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* Unclip::folder_ = nullptr;
ModelCache* Unclip::models_ = nullptr;

const char* const kModels[] = {"karlo", "karlo-varied", "stable", "stable-varied"};

TEST_F(Unclip, SaysWhatItTakes) {
  const ModelInfo karlo = models_->Get("karlo")->info(), varied = models_->Get("karlo-varied")->info();
  EXPECT_TRUE(karlo.takes_prompt && karlo.takes_prior_guidance && !karlo.varies && !karlo.takes_source);
  EXPECT_TRUE(!varied.takes_prompt && !varied.takes_prior_guidance && varied.varies && varied.takes_source);
  EXPECT_FALSE(karlo.takes_negative_prompt);
  EXPECT_EQ(karlo.default_width, 32);
  EXPECT_EQ(karlo.size_multiple, 4);
  EXPECT_EQ(karlo.later_steps, UnclipPrior::kSteps + UnclipEnlarger::kSteps);
  EXPECT_EQ(varied.later_steps, UnclipEnlarger::kSteps);
  const ModelInfo stable = models_->Get("stable")->info();
  EXPECT_TRUE(stable.takes_negative_prompt && stable.takes_prior_guidance);
  EXPECT_EQ(stable.later_steps, UnclipPrior::kSteps);
  EXPECT_EQ(stable.max_noise_level, 999);
  EXPECT_EQ(stable.default_noise_level, 0);
  EXPECT_TRUE(models_->Get("stable-varied")->info().varies);
}

// Through all stages: the prior's steps and those that enlarge are no matter of the request's.
TEST_F(Unclip, MakesPicturesInTheStepsOfAllStages) {
  for (const std::string model : kModels) {
    const auto events = Run(Request(model));
    ASSERT_EQ(events->Error(), "") << model;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{32, 32, 3})) << model;
    EXPECT_EQ(events->steps, 4 + models_->Get(model)->info().later_steps) << model;
    EXPECT_FALSE(events->previews.empty()) << model;
  }
}

TEST_F(Unclip, TheOtherStagesTakeTheStepsAskedForThem) {
  const std::vector<LaterStageInfo> stages = models_->Get("karlo")->info().later_stages;
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0].name, "prior");
  EXPECT_EQ(stages[1].name, "enlarger");
  EXPECT_EQ(stages[1].default_steps, UnclipEnlarger::kSteps);
  EXPECT_TRUE(stages[0].fixed_guidance && stages[1].fixed_guidance);
  EXPECT_EQ(models_->Get("karlo-varied")->info().later_stages.size(), 1U);
  EXPECT_EQ(models_->Get("stable")->info().later_stages.size(), 1U);
  EXPECT_TRUE(models_->Get("stable-varied")->info().later_stages.empty());

  TrajectoryRequest request = Request("karlo");
  const at::Tensor plain = PictureOf(request);
  std::vector<LaterStage>& asked = request.picture.later_stages;
  asked = {{.steps = UnclipPrior::kSteps, .guidance = {}, .noise_level = {}}, {}};
  EXPECT_TRUE(at::equal(PictureOf(request), plain));
  asked = {{.steps = 3, .guidance = {}, .noise_level = {}}, {.steps = 2, .guidance = {}, .noise_level = {}}};
  const auto fewer = Run(request);
  ASSERT_EQ(fewer->Error(), "");
  EXPECT_EQ(fewer->steps, 3 + 4 + 2);
  EXPECT_FALSE(at::equal(fewer->picture, plain));
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  asked = {{.steps = 1, .guidance = {}, .noise_level = {}}, {.steps = 1, .guidance = {}, .noise_level = {}}};
  EXPECT_EQ(Run(request)->steps, 1 + 4 + 1);

  asked = {{.steps = {}, .guidance = 2, .noise_level = {}}};
  EXPECT_THAT(Run(request)->Error(), HasSubstr("this model's prior takes no guidance of its own"));
  asked = {{}, {.steps = 1001, .guidance = {}, .noise_level = {}}};
  EXPECT_THAT(Run(request)->Error(), HasSubstr("this model's enlarger takes 1 to 1000 steps, given: 1001"));
  asked.resize(3);
  EXPECT_THAT(Run(request)->Error(), HasSubstr("later stages 2 can be told"));
}

// An embedding is nothing to see.
TEST_F(Unclip, APriorShowsNoPreviews) {
  const auto events = Run(Request("karlo"));
  ASSERT_EQ(events->Error(), "");
  for (const int64_t step : events->previews) EXPECT_GT(step, UnclipPrior::kSteps);
}

TEST_F(Unclip, GoesOnFromACheckpointOfAnyStage) {
  for (const std::string model : kModels) {
    TrajectoryRequest request = Request(model, 3);
    request.picture.noise_level = 200;
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  }
}

// Beside others in all stages, of which some are guided and some are not.
TEST_F(Unclip, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : kModels) {
    for (const double guidance : {1.0, 5.0}) {
      requests.push_back(Request(model, guidance > 1 ? 3 : 5));
      requests.back().picture.guidance = requests.back().picture.prior_guidance = guidance;
    }
  }
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(Unclip, EachScaleOfGuidanceCounts) {
  for (const std::string model : {"karlo", "stable"}) {
    const at::Tensor picture = PictureOf(Request(model));
    TrajectoryRequest other = Request(model);
    other.picture.prior_guidance = 1;
    EXPECT_FALSE(at::equal(PictureOf(other), picture)) << model;
    other = Request(model);
    other.picture.guidance = 2;
    EXPECT_FALSE(at::equal(PictureOf(other), picture)) << model;
  }
}

// Either of the two has both of Karlo's stages run in two rows.
TEST_F(Unclip, OneSwitchGuidesKarlosStages) {
  const c10::InferenceMode inference;
  const auto model = models_->Get("karlo");
  PictureRequest request;
  const auto rows = [&](double guidance, double prior_guidance) {
    request.guidance = guidance;
    request.prior_guidance = prior_guidance;
    return std::make_pair(model->Condition(request, {16}).rows.size(),
                          model->next()->Condition(request, {3, 16, 16}).rows.size());
  };
  EXPECT_EQ(rows(1, 1), std::make_pair(size_t{1}, size_t{1}));
  EXPECT_EQ(rows(1, 4), std::make_pair(size_t{2}, size_t{2}));
  EXPECT_EQ(rows(8, 1), std::make_pair(size_t{2}, size_t{2}));
}

TEST_F(Unclip, AVariationIsOfThePictureAndOfItsNoise) {
  for (const std::string model : {"karlo-varied", "stable-varied"}) {
    const at::Tensor picture = PictureOf(Request(model));
    TrajectoryRequest other = Request(model);
    other.source = "black";
    EXPECT_FALSE(at::equal(PictureOf(other), picture)) << model;
  }
  const at::Tensor picture = PictureOf(Request("stable-varied"));
  TrajectoryRequest noisier = Request("stable-varied");
  noisier.picture.noise_level = 500;
  EXPECT_FALSE(at::equal(PictureOf(noisier), picture));
}

TEST_F(Unclip, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request("karlo-varied");
  request.source.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture"));
  request = Request("karlo");
  request.source = "stripes";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it takes no source picture"));
  request = Request("karlo");
  for (int i = 0; i < 100; ++i) request.picture.prompt += " a";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the prompt is too long for this model's text encoder"));
  request = Request("stable");
  request.picture.noise_level = 1000;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("noise_level must be 0 to 999, given: 1000"));
  request = Request("karlo");
  request.width = 34;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 4"));
}

TEST_F(Unclip, WhatDoesNotFitIsRefusedByName) {
  EXPECT_THAT(Refusal({}, "prior/config.json", {{"added_emb_type", "other"}}),
              testing::AllOf(HasSubstr("prior/config.json"), HasSubstr("added_emb_type")));
  EXPECT_THAT(Refusal({}, "prior/config.json", {{"num_embeddings", 76}}), HasSubstr("num_embeddings"));
  EXPECT_THAT(Refusal({}, "text_proj/config.json", {{"cross_attention_dim", 24}}),
              HasSubstr("cross_attention_dim"));
  EXPECT_THAT(Refusal({}, "decoder/config.json", {{"class_embed_type", "timestep"}}),
              HasSubstr("class_embed_type"));
  EXPECT_THAT(Refusal({}, "super_res_first/config.json", {{"sample_size", 24}}), HasSubstr("sample_size"));
  EXPECT_THAT(Refusal({.varies = true}, "feature_extractor/preprocessor_config.json", {{"resample", 2}}),
              HasSubstr("resample"));
  EXPECT_THAT(Refusal({.varies = true}, "image_encoder/config.json", {{"patch_size", 0}}),
              HasSubstr("patch_size"));
  EXPECT_THAT(Refusal({.stable = true}, "unet/config.json", {{"class_embed_type", nullptr}}),
              testing::AllOf(HasSubstr("class_embed_type"), HasSubstr("projection")));
  EXPECT_THAT(Refusal({.stable = true}, "model_index.json", {{"_class_name", "StableDiffusionPipeline"}}),
              testing::AllOf(HasSubstr("unet/config.json"), HasSubstr("class_embed_type")));
}

// Of rows in their last step and others, each is computed by its network.
TEST_F(Unclip, ASharedBatchHasEachRowComputedByItsNetwork) {
  const c10::InferenceMode inference;
  const Pipeline* stage = models_->Get("karlo").get();
  while (stage->next() != nullptr) stage = stage->next();
  const at::Tensor x = at::linspace(-1, 1, 2 * 3 * 8 * 8, at::kFloat).view({2, 3, 8, 8});
  const Told told = {{Condition::kChannels, x}};
  const at::Tensor both =
      stage->denoiser()({.sample = x, .timestep = at::tensor({500.0F, 0.0F}), .told = told});
  for (int64_t row = 0; row < 2; ++row) {
    const at::Tensor alone = stage->denoiser()({.sample = x.narrow(0, row, 1),
                                                .timestep = at::tensor({row == 0 ? 500.0F : 0.0F}),
                                                .told = told.Row(row)});
    EXPECT_TRUE(at::equal(both.narrow(0, row, 1), alone)) << row;
  }
}

}  // namespace
}  // namespace mind::diffusion
