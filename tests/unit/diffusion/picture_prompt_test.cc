// Pictures that are prompts, through the engine, on SDXL in small. The numbers are checked against recorded
// ones by mind-golden.
#include "worker/diffusion/models/picture_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_xl.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class PicturePromptTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinyXl::Write(Path("prompted").string(), Tokenizer(), {.prompted = true});
    TinyXl::Write(Path("plain").string(), Tokenizer(), {});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer").string();
  }
  static fs::path Path(const std::string& name) { return fs::path(folder_->path()) / name; }

  static TrajectoryRequest Request(std::vector<PicturePromptInput> prompts = {}) {
    TrajectoryRequest request;
    request.model = "prompted";
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = 5;
    request.width = 32;
    request.height = 48;
    request.sampler = "euler";
    request.steps = 4;
    request.seed = 7;
    request.picture_prompts = std::move(prompts);
    return request;
  }

  // Pictures by the length of their files; one is bright on its left.
  static Engine::Options Options() {
    return {
        .row_threads = 2,
        .checkpoint_interval = std::chrono::milliseconds(0),
        .decode = [](const std::string& file) {
          if (file == "left")
            return at::cat({at::full({30, 20, 3}, 255, at::kByte), at::zeros({30, 20, 3}, at::kByte)}, 1);
          const auto size = static_cast<int64_t>(file.size());
          return at::arange(30 * 40 * 3, at::kFloat).mul(size).remainder(251).to(at::kByte).view({30, 40, 3});
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

mind::support::ModelFolder* PicturePromptTest::folder_ = nullptr;
ModelCache* PicturePromptTest::models_ = nullptr;

TEST_F(PicturePromptTest, AModelSaysThroughWhatItTakesThem) {
  EXPECT_THAT(models_->Get("prompted")->info().picture_adapters, ElementsAre("full", "plain"));
  EXPECT_THAT(models_->Get("plain")->info().picture_adapters, ElementsAre());
  EXPECT_NE(models_->Get("prompted")->info().revision, models_->Get("plain")->info().revision);
}

TEST_F(PicturePromptTest, EachMakesAnotherPictureAndTheirEffectsAddUp) {
  const at::Tensor without = PictureOf(Request());
  const PicturePromptInput plain = {.adapter = "plain", .picture = "a"},
                           full = {.adapter = "full", .picture = "a"};
  const at::Tensor one = PictureOf(Request({plain})), other = PictureOf(Request({full}));
  EXPECT_FALSE(at::equal(one, without));
  EXPECT_FALSE(at::equal(other, without));
  EXPECT_FALSE(at::equal(PictureOf(Request({plain, full})), one));
  PicturePromptInput light = plain;
  light.weight = 0;
  EXPECT_TRUE(at::equal(PictureOf(Request({light})), without));
  light.picture = "another";
  light.weight = 1;
  EXPECT_FALSE(at::equal(PictureOf(Request({light})), one));
  EXPECT_FALSE(at::equal(PictureOf(Request({plain, light})), one));  // two pictures, seen as one
}

TEST_F(PicturePromptTest, LayersAndMasksSayWhereTheyAct) {
  const PicturePromptInput everywhere = {.adapter = "plain", .picture = "a"};
  const at::Tensor whole = PictureOf(Request({everywhere})), without = PictureOf(Request());
  PicturePromptInput layers = everywhere;
  layers.layers = {{"mid", 1}, {"down_blocks", 1}, {"up_blocks", 1}};
  EXPECT_TRUE(at::equal(PictureOf(Request({layers})), whole));
  layers.layers = {{"mid", 1}};
  EXPECT_FALSE(at::equal(PictureOf(Request({layers})), whole));
  EXPECT_FALSE(at::equal(PictureOf(Request({layers})), without));
  PicturePromptInput left = everywhere;
  left.mask = "left";
  EXPECT_FALSE(at::equal(PictureOf(Request({left})), whole));
  EXPECT_FALSE(at::equal(PictureOf(Request({left})), without));
}

TEST_F(PicturePromptTest, FromAnyCheckpointAndBesideOthersThePictureComesOutTheSame) {
  TrajectoryRequest prompted = Request({{.adapter = "full", .picture = "a"}});
  const auto whole = Run(prompted);
  ASSERT_EQ(whole->Error(), "");
  Engine engine(*models_, Options());
  std::vector<std::shared_ptr<Recorder>> together;
  for (const TrajectoryRequest& request :
       {Request(), prompted, Request({{.adapter = "plain", .picture = "a"}})}) {
    together.push_back(std::make_shared<Recorder>());
    engine.Submit(request, together.back());
  }
  engine.WaitUntilIdle();
  EXPECT_TRUE(at::equal(together[1]->picture, whole->picture));
  EXPECT_TRUE(at::equal(together[0]->picture, PictureOf(Request())));
  for (const auto& [step, bytes] : whole->checkpoints) {
    prompted.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureOf(prompted), whole->picture)) << "from step " << step;
  }
}

TEST_F(PicturePromptTest, WhatCannotBeIsRefusedByName) {
  EXPECT_THAT(Run(Request({{.adapter = "plus", .picture = "a"}}))->Error(), HasSubstr("through \"plus\""));
  EXPECT_THAT(Run(Request({{.adapter = "plain", .picture = "a"},
                           {.adapter = "plain", .picture = "b", .weight = 0.5}}))
                  ->Error(),
              HasSubstr("\"plain\" are seen as one without masks: give them one weight"));
  EXPECT_THAT(Run(Request({{.adapter = "plain", .picture = "a"},
                           {.adapter = "plain", .picture = "b", .mask = "left"}}))
                  ->Error(),
              HasSubstr("\"plain\" have masks all or none"));
  EXPECT_THAT(Run(Request({{.adapter = "plain", .picture = "a", .layers = {{"down_blocks.0", 1}}}}))->Error(),
              HasSubstr("in the layer \"down_blocks.0\""));
}

TEST_F(PicturePromptTest, AnAdapterThatDoesNotFitIsRefusedByName) {
  const mind::support::ModelFolder folder;
  const std::string model = folder.path() + "/model";
  TinyXl::Write(model, Tokenizer(), {.prompted = true});
  const auto error = [&](const std::map<std::string, at::Tensor>& tensors) -> std::string {
    std::ofstream(model + "/ip_adapters/bad.safetensors", std::ios::binary) << SerializeSafeTensors(tensors);
    try {
      LoadPipeline(model, {});
      return "";
    } catch (const ModelError& e) {
      return e.what();
    }
  };
  EXPECT_THAT(error({{"image_proj.other", at::ones({2})}}),
              testing::AllOf(HasSubstr("bad.safetensors"), HasSubstr("plain, plus, full-face")));
  EXPECT_THAT(error({{"image_proj.proj.weight", at::ones({60, 12})},
                     {"image_proj.proj.bias", at::ones({60})},
                     {"image_proj.norm.weight", at::ones({30})},
                     {"image_proj.norm.bias", at::ones({30})}}),
              testing::AllOf(HasSubstr("bad.safetensors"), HasSubstr("30 numbers, the UNet's have 40")));
}

}  // namespace
}  // namespace mind::diffusion
