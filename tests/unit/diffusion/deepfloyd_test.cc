// DeepFloyd-IF's stages in small, through the engine: what records do not say. Their numbers are checked
// against recorded ones by mind-golden.
#include "worker/diffusion/pipelines/deepfloyd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_floyd.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class Deepfloyd : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinyFloyd::WriteCascade(folder_->path() + "/if");
    TinyFloyd::Write(folder_->path() + "/alone", {.enlarges = true});
    models_ = new ModelCache(folder_->path(), {});
  }

  static TrajectoryRequest Request(const std::string& model, int64_t steps = 4) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 5;
    request.picture.noise_level = 250;
    if (model == "alone") request.source = "stripes";
    request.width = request.height = model == "if-first" ? 16 : 32;
    request.sampler = "ddpm";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static TrajectoryRequest Painting(const std::string& model) {
    TrajectoryRequest request = Request(model);
    request.source = "stripes";
    request.mask = "half";
    request.strength = 1;
    return request;
  }

  static at::Tensor Stripes() {
    return at::arange(16 * 16 * 3, at::kFloat).remainder(251).to(at::kByte).view({16, 16, 3});
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file != "half") return Stripes();
              at::Tensor mask = at::zeros({16, 16, 3}, at::kByte);
              mask.narrow(1, 8, 8).fill_(255);
              return mask;
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a stage whose file is changed so is refused.
  static std::string Refusal(const TinyFloydOptions& options,
                             const std::function<void(const fs::path&)>& change) {
    const mind::support::ModelFolder folder;
    const std::string model = folder.path() + "/model";
    TinyFloyd::Write(model, options);
    change(model);
    try {
      DescribeModel(model);
      LoadPipeline(model, {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }
  static std::string Refusal(const TinyFloydOptions& options, const std::string& file,
                             const nlohmann::json& keys) {
    return Refusal(options, [&](const fs::path& model) {
      nlohmann::json config = ReadJsonFile((model / file).string());
      config.update(keys);
      std::ofstream(model / file) << config;
    });
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* Deepfloyd::folder_ = nullptr;
ModelCache* Deepfloyd::models_ = nullptr;

TEST_F(Deepfloyd, SaysWhatItTakes) {
  const ModelInfo first = models_->Get("if-first")->info(), both = models_->Get("if")->info(),
                  alone = models_->Get("alone")->info();
  EXPECT_TRUE(first.takes_prompt && first.takes_negative_prompt && first.takes_source);
  EXPECT_EQ(first.default_steps, 100);
  EXPECT_EQ(first.default_guidance, 7);
  EXPECT_EQ(first.enlargement, 1);
  EXPECT_EQ(both.default_width, 32);
  EXPECT_EQ(both.later_steps, 4);
  EXPECT_EQ(both.enlargement, 1);
  EXPECT_EQ(alone.enlargement, 4);
  EXPECT_EQ(alone.default_guidance, 4);
  EXPECT_EQ(alone.max_noise_level, 999);
  EXPECT_EQ(alone.default_noise_level, 250);
}

// The second stage has no text encoder: as a model of its own it is none.
TEST_F(Deepfloyd, AStageWithoutATextEncoderIsServedInACascadeAlone) {
  ASSERT_EQ(models_->rejected().size(), 1U);
  EXPECT_THAT(models_->rejected()[0].reason, AllOf(HasSubstr("if-second/text_encoder: there is none"),
                                                   HasSubstr("cascade after an IFPipeline")));
}

// A second one that has a text encoder of its own does not load it beside the first.
TEST_F(Deepfloyd, ACascadeHoldsOneTextEncoder) {
  const mind::support::ModelFolder folder;
  const std::string path = folder.path() + "/if";
  TinyFloyd::WriteCascade(path);
  const int64_t bytes = ModelDirectory(path).WeightBytes(Precision::kFloat32);
  fs::remove_all(path + "-second");
  TinyFloyd::Write(path + "-second", {.enlarges = true, .text = true});
  EXPECT_EQ(ModelDirectory(path).WeightBytes(Precision::kFloat32), bytes);
  EXPECT_GT(ModelDirectory(path + "-second").WeightBytes(Precision::kFloat32) +
                ModelDirectory(path + "-first").WeightBytes(Precision::kFloat32),
            bytes);
  EXPECT_NE(LoadPipeline(path, {})->next(), nullptr);
}

// A third that could be a second one enlarges a picture as any upscaler does, with a text encoder of its own.
TEST_F(Deepfloyd, TheSecondStageAloneGoesOnWithTheFirstOnes) {
  const mind::support::ModelFolder folder;
  const std::string path = folder.path() + "/if";
  TinyFloyd::WriteCascade(path);
  TinyFloyd::Write(path + "-third", {.enlarges = true});
  std::ofstream(path + "/cascade.json") << nlohmann::json{
      {"_class_name", "Cascade"}, {"stages", {"../if-first", "../if-second", "../if-third"}}};
  const std::vector<ModelDirectory> stages = ModelDirectory(path).Stages();
  EXPECT_EQ(stages[1].text_of(), stages[0].path());
  EXPECT_EQ(stages[2].text_of(), "");
}

TEST_F(Deepfloyd, MakesPicturesInTheStepsOfAllStages) {
  for (const std::string model : {"if-first", "if", "alone"}) {
    const auto events = Run(Request(model));
    ASSERT_EQ(events->Error(), "") << model;
    const int64_t size = model == "if-first" ? 16 : 32;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{size, size, 3})) << model;
    EXPECT_EQ(events->steps, model == "if" ? 8 : 4) << model;
    EXPECT_FALSE(events->previews.empty()) << model;
  }
}

TEST_F(Deepfloyd, GoesOnFromACheckpointOfAnyStage) {
  for (const TrajectoryRequest& request :
       {Request("if-first"), Request("if"), Request("alone"), Painting("if")}) {
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  }
}

// Beside others in all stages, of which some are guided and some are not.
TEST_F(Deepfloyd, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : {"if", "if-first", "alone"}) {
    for (const double guidance : {1.0, 5.0}) {
      requests.push_back(Request(model, guidance > 1 ? 3 : 5));
      requests.back().picture.guidance = guidance;
      requests.back().picture.noise_level = static_cast<int64_t>(100 * guidance);
    }
  }
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

// The second stage goes on with numbers, not with bytes; a checkpoint holds them.
TEST_F(Deepfloyd, TheFirstStageHandsOverWhatItHasMade) {
  const auto model = models_->Get("if");
  EXPECT_TRUE(model->hands_result());
  const at::Tensor x = at::full({3, 16, 16}, 1.25);
  EXPECT_TRUE(at::equal(model->Result(x), x));
}

TEST_F(Deepfloyd, WhatTheMaskLeavesAloneStaysThePicture) {
  for (const double strength : {1.0, 0.5}) {
    TrajectoryRequest request = Painting("if-first");
    request.strength = strength;
    const at::Tensor picture = PictureOf(request);
    EXPECT_TRUE(at::equal(picture.narrow(1, 0, 8), Stripes().narrow(1, 0, 8)));
    EXPECT_FALSE(at::equal(picture.narrow(1, 8, 8), Stripes().narrow(1, 8, 8)));
  }
}

TEST_F(Deepfloyd, WhatIsAskedForCounts) {
  const at::Tensor picture = PictureOf(Request("alone"));
  TrajectoryRequest other = Request("alone");
  other.picture.noise_level = 0;
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
  other = Request("alone");
  other.picture.prompt = "a dog";
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
  other = Request("alone");
  other.picture.prompt = "A  (CAT)";  // the same caption
  EXPECT_TRUE(at::equal(PictureOf(other), picture));
}

TEST_F(Deepfloyd, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request("alone");
  request.source.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture"));
  request = Request("alone");
  request.picture.noise_level = 1000;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("noise_level must be 0 to 999, given: 1000"));
  request = Request("if");
  for (int i = 0; i < 80; ++i) request.picture.prompt += " b";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the prompt is too long for this model's text encoder"));
  request.picture.prompt.assign(1001, 'a');
  EXPECT_THAT(Run(request)->Error(), HasSubstr("at most 1000 characters, given: 1001"));
  request = Request("if");
  request.width = 18;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 4"));
}

TEST_F(Deepfloyd, WhatDoesNotFitIsRefusedByName) {
  const TinyFloydOptions first, second{.enlarges = true};
  const auto unet = [&](const TinyFloydOptions& options, const nlohmann::json& keys) {
    return Refusal(options, "unet/config.json", keys);
  };
  EXPECT_THAT(unet(first, {{"in_channels", 6}}),
              AllOf(HasSubstr("unet/config.json"), HasSubstr("in_channels")));
  EXPECT_THAT(unet(first, {{"encoder_hid_dim", 24}}), HasSubstr("the text encoder's d_model, 16"));
  EXPECT_THAT(unet(first, {{"cross_attention_norm", "layer_norm"}}), HasSubstr("\"layer_norm\""));
  EXPECT_THAT(unet(first, {{"encoder_hid_dim_type", "ip_image_proj"}}), HasSubstr("encoder_hid_dim_type"));
  EXPECT_THAT(unet(first, {{"layers_per_block", {1, 2, 3}}}), HasSubstr("layers_per_block"));
  EXPECT_THAT(unet(first, {{"resnet_out_scale_factor", 0}}), HasSubstr("resnet_out_scale_factor"));
  EXPECT_THAT(unet(first, {{"cross_attention_dim", 40}}), HasSubstr("encoder_hid_proj"));
  EXPECT_THAT(unet(first, {{"class_embed_type", "timestep"}}),
              AllOf(HasSubstr("class_embed_type"), HasSubstr("supported: null")));
  EXPECT_THAT(unet(second, {{"sample_size", 34}}), HasSubstr("a multiple of 4"));
  EXPECT_THAT(unet(second, {{"class_embed_type", nullptr}}), HasSubstr("class_embed_type"));
  EXPECT_THAT(unet(second, {{"time_embedding_dim", "wide"}}), HasSubstr("time_embedding_dim"));
  const auto text = [&](const nlohmann::json& keys) {
    return Refusal(first, "text_encoder/config.json", keys);
  };
  EXPECT_THAT(text({{"feed_forward_proj", "relu"}}), HasSubstr("gated-gelu"));
  EXPECT_THAT(text({{"num_layers", 3}}), HasSubstr("encoder.block.2"));
  EXPECT_THAT(text({{"vocab_size", 20}}), HasSubstr("shared.weight"));
  EXPECT_THAT(text({{"relative_attention_num_buckets", 6}}), HasSubstr("a multiple of 4"));
  EXPECT_THAT(Refusal(first, "tokenizer/tokenizer_config.json", {{"extra_ids", 50}}),
              HasSubstr("the tokenizer makes ids up to"));
  EXPECT_THAT(Refusal(first, "tokenizer/tokenizer_config.json", {{"pad_token", "<nothing>"}}),
              HasSubstr("no piece \"<nothing>\""));
}

TEST_F(Deepfloyd, FilesThatAreCutOffOrMissingAreNamed) {
  for (const std::string file : {"text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
                                 "tokenizer/spiece.model"}) {
    EXPECT_THAT(Refusal({},
                        [&](const fs::path& model) {
                          fs::resize_file(model / file, fs::file_size(model / file) / 2);
                        }),
                HasSubstr(fs::path(file).parent_path().string()))
        << file;
  }
  for (const std::string file :
       {"scheduler/scheduler_config.json", "image_noising_scheduler/scheduler_config.json",
        "tokenizer/spiece.model", "tokenizer/tokenizer_config.json"}) {
    EXPECT_THAT(Refusal({.enlarges = true}, [&](const fs::path& model) { fs::remove(model / file); }),
                HasSubstr(fs::path(file).parent_path().string()))
        << file;
  }
}

TEST_F(Deepfloyd, PromptsAreReadAsTheyAreWhereTheModelSaysSo) {
  const mind::support::ModelFolder folder;
  const std::string path = folder.path() + "/model";
  TinyFloyd::Write(path);
  const auto caption = [&] { return FloydText(ModelDirectory(path), {}).Caption("A (cat)"); };
  const c10::InferenceMode inference;
  EXPECT_EQ(caption(), "a cat");
  std::ofstream(path + "/mind.json") << R"({"clean_caption": false})";
  EXPECT_EQ(caption(), "a (cat)");
}

}  // namespace
}  // namespace mind::diffusion
