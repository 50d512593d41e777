// Stable Diffusion 3 in small, through the engine: what records do not say. Its numbers are checked against
// recorded ones by mind-golden.
#include "worker/diffusion/pipelines/stable_diffusion_3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_sd3.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class StableDiffusion3 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinySd3::Write(folder_->path() + "/whole", Tokenizer());
    TinySd3::Write(folder_->path() + "/without-t5", Tokenizer(), {.t5 = false});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer").string();
  }

  static TrajectoryRequest Request(const std::string& model = "whole", int64_t steps = 3) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    request.width = 16;
    request.height = 24;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              at::Tensor picture =
                  at::arange(24 * 16 * 3, at::kFloat).remainder(251).to(at::kByte).view({24, 16, 3});
              if (file == "half") picture.zero_().narrow(1, 8, 8).fill_(255);
              return picture;
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static Conditioning Condition(const std::string& model, const PictureRequest& request) {
    const c10::InferenceMode inference;
    return models_->Get(model)->Condition(request, {4, 12, 8});
  }

  // Why a model is refused one of whose files is changed so.
  static std::string Refusal(const std::string& file, const nlohmann::json& keys) {
    const mind::support::ModelFolder folder;
    const std::string model = folder.path() + "/model";
    TinySd3::Write(model, Tokenizer());
    nlohmann::json config = ReadJsonFile(model + "/" + file);
    config.update(keys);
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

mind::support::ModelFolder* StableDiffusion3::folder_ = nullptr;
ModelCache* StableDiffusion3::models_ = nullptr;

TEST_F(StableDiffusion3, SaysWhatItTakes) {
  const ModelInfo info = models_->Get("whole")->info();
  EXPECT_TRUE(info.takes_prompt && info.takes_second_prompt && info.takes_negative_prompt);
  EXPECT_TRUE(info.takes_guidance && info.takes_perturbed && info.takes_hires);
  EXPECT_EQ(info.perturbed_after, 0.01);
  EXPECT_EQ(info.perturbed_before, 0.2);
  EXPECT_TRUE(info.takes_third_prompt);
  EXPECT_FALSE(models_->Get("without-t5")->info().takes_third_prompt);
  EXPECT_EQ(info.default_guidance, 4.5);
  EXPECT_EQ(info.default_width, 32);
  EXPECT_EQ(info.max_width, 48);  // beyond that it has no positions
}

TEST_F(StableDiffusion3, MakesPicturesWithEverySampler) {
  for (const SamplerInfo& sampler : models_->Get("whole")->info().samplers) {
    TrajectoryRequest request = Request();
    request.sampler = sampler.name;
    const auto events = Run(request);
    EXPECT_EQ(events->Error(), "") << sampler.name;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{24, 16, 3})) << sampler.name;
  }
}

TEST_F(StableDiffusion3, GoesOnFromAnyCheckpoint) {
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), Request());
  TrajectoryRequest painted = Request("without-t5");
  painted.source = "picture";
  painted.mask = "half";
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), painted);
}

// Beside others, guided and not, of other sizes and prompt lengths, some without blocks, some from a picture.
TEST_F(StableDiffusion3, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests(6, Request());
  requests[1].picture.guidance = 1;
  requests[2].width = 32;
  requests[3].picture.prompt = "a cat BREAK on the grass";
  requests[4].picture.perturbed = {
      .scale = 2, .fall = 0, .layers = {"transformer_blocks.1"}, .steps = {.after = 0.1, .before = 0.6}};
  requests[5].source = "picture";
  requests[5].strength = 0.7;
  requests.push_back(Request("without-t5", 5));
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(StableDiffusion3, WithoutT5ThereAreZeros) {
  PictureRequest request;
  request.prompt = "a cat";
  const at::Tensor with = Condition("whole", request).rows[0][Condition::kText],
                   without = Condition("without-t5", request).rows[0][Condition::kText];
  ASSERT_EQ(with.sizes(), (at::IntArrayRef{77 + 20, 16}));
  EXPECT_TRUE(at::equal(with.narrow(0, 0, 77), without.narrow(0, 0, 77)));
  EXPECT_EQ(without.narrow(0, 77, 20).abs().max().item<float>(), 0);
  EXPECT_GT(with.narrow(0, 77, 20).abs().max().item<float>(), 0);
}

// The second prompt is the second CLIP's alone, the third T5's.
TEST_F(StableDiffusion3, ItsEncodersMayReadDifferentPrompts) {
  PictureRequest request;
  request.prompt = "a cat";
  const Told same = Condition("whole", request).rows[0];
  request.prompt_2 = "a dog";
  const Told other = Condition("whole", request).rows[0];
  const at::Tensor a = same[Condition::kText], b = other[Condition::kText];
  EXPECT_TRUE(at::equal(a.narrow(1, 0, 6), b.narrow(1, 0, 6)) || a.size(0) != b.size(0));
  EXPECT_FALSE(at::equal(a.narrow(0, 0, 77), b.narrow(0, 0, 77)));
  EXPECT_TRUE(at::equal(a.narrow(0, 77, 20), b.narrow(0, 77, 20)));
  request.prompt_2.clear();
  request.prompt_3 = request.negative_prompt_3 = "a dog";
  request.guidance = 4;
  const Conditioning third = Condition("whole", request);
  const at::Tensor negative = third.rows[0][Condition::kText], own = third.rows[1][Condition::kText];
  EXPECT_TRUE(at::equal(a.narrow(0, 0, 77), own.narrow(0, 0, 77)));
  EXPECT_FALSE(at::equal(a.narrow(0, 77, 20), own.narrow(0, 77, 20)));
  EXPECT_TRUE(at::equal(negative.narrow(0, 77, 20), own.narrow(0, 77, 20)));
}

TEST_F(StableDiffusion3, BlocksThatArePassedOverMakeARow) {
  PictureRequest request;
  request.guidance = 4;
  request.perturbed = {.scale = 2, .fall = 0, .layers = {"transformer_blocks.2"}};
  EXPECT_EQ(Condition("whole", request).rows.size(), 3U);
  TrajectoryRequest picture = Request();
  picture.picture.perturbed = request.perturbed;
  EXPECT_FALSE(at::equal(PictureMadeAlone(*models_, Options(), picture),
                         PictureMadeAlone(*models_, Options(), Request())));
  // In some of the steps: another picture than in all, or none.
  TrajectoryRequest late = picture;
  late.picture.perturbed.steps = {.after = 0.5, .before = 1};
  const at::Tensor made = PictureMadeAlone(*models_, Options(), late);
  EXPECT_FALSE(at::equal(made, PictureMadeAlone(*models_, Options(), picture)));
  EXPECT_FALSE(at::equal(made, PictureMadeAlone(*models_, Options(), Request())));
  late.picture.perturbed.steps = {.after = 0.5, .before = 0.5};
  EXPECT_TRUE(at::equal(PictureMadeAlone(*models_, Options(), late),
                        PictureMadeAlone(*models_, Options(), Request())));
  picture.picture.perturbed.layers = {"mid"};  // the reference's, of a model with more blocks
  EXPECT_THAT(Run(picture)->Error(), HasSubstr("no block \"transformer_blocks.7\""));
}

TEST_F(StableDiffusion3, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request();
  for (int i = 0; i < 20; ++i) request.picture.prompt += " b";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the prompt is too long for this model's text encoder"));
  request = Request();
  request.width = 18;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 8"));
}

TEST_F(StableDiffusion3, WhatDoesNotFitIsRefusedByName) {
  const auto transformer = [](const nlohmann::json& keys) {
    return Refusal("transformer/config.json", keys);
  };
  EXPECT_THAT(transformer({{"in_channels", 8}, {"out_channels", 8}}), HasSubstr("latent_channels, 4"));
  EXPECT_THAT(transformer({{"joint_attention_dim", 24}}), HasSubstr("text_encoder_3's d_model, 16"));
  EXPECT_THAT(transformer({{"joint_attention_dim", 12}}), HasSubstr("widths of both CLIPs, 16"));
  EXPECT_THAT(transformer({{"pooled_projection_dim", 20}}), HasSubstr("projection_dims of both CLIPs, 16"));
  EXPECT_THAT(transformer({{"caption_projection_dim", 20}}), HasSubstr("caption_projection_dim"));
  EXPECT_THAT(transformer({{"pos_embed_max_size", 4}}), HasSubstr("pos_embed_max_size"));
  EXPECT_THAT(transformer({{"dual_attention_layers", {5}}}), HasSubstr("dual_attention_layers"));
  EXPECT_THAT(transformer({{"qk_norm", "layer_norm"}}), HasSubstr("qk_norm"));
  EXPECT_THAT(transformer({{"qk_norm", nullptr}}), HasSubstr("norm_"));
  EXPECT_THAT(transformer({{"num_layers", 4}}), HasSubstr("transformer_blocks"));
  EXPECT_THAT(Refusal("mind.json", {{"max_sequence_length", 600}}), HasSubstr("1 to 512"));
}

}  // namespace
}  // namespace mind::diffusion
