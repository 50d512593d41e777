// Qwen-Image in small, through the engine: what records do not say. Its numbers are checked against recorded
// ones by mind-golden.
#include "worker/diffusion/pipelines/qwen_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_qwen_image.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/names/wan_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kMaker[] = "maker", kEditor[] = "editor";

class QwenImage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinyQwenImage::Write(folder_->path() + "/" + kMaker);
    TinyQwenImage::Write(folder_->path() + "/" + kEditor, {.edits = true});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static TrajectoryRequest Request(const std::string& model = kMaker, int64_t steps = 4) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    request.width = 32;
    request.height = 24;
    request.sampler = models_->Get(model)->info().default_sampler;
    request.steps = steps;
    request.seed = 7;
    if (model == kEditor) request.source = "stripes";
    return request;
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file == "black") return at::zeros({40, 20, 3}, at::kByte);
              return at::arange(24 * 32 * 3, at::kFloat).remainder(251).to(at::kByte).view({24, 32, 3});
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a model in small is refused whose file is changed so.
  static std::string Refusal(const TinyQwenImageOptions& options, const std::string& file,
                             const nlohmann::json& keys) {
    const mind::support::ModelFolder folder;
    const fs::path model = fs::path(folder.path()) / "model";
    TinyQwenImage::Write(model.string(), options);
    nlohmann::json config = ReadJsonFile((model / file).string());
    config.update(keys);
    std::ofstream(model / file) << config;
    try {
      DescribeModel(model.string());
      LoadPipeline(model.string(), {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* QwenImage::folder_ = nullptr;
ModelCache* QwenImage::models_ = nullptr;

TEST_F(QwenImage, SaysWhatItTakes) {
  const ModelInfo maker = models_->Get(kMaker)->info(), editor = models_->Get(kEditor)->info();
  EXPECT_TRUE(maker.takes_prompt && maker.takes_negative_prompt && maker.takes_guidance);
  EXPECT_TRUE(maker.takes_source && !maker.edits && editor.edits);
  EXPECT_EQ(maker.most_references, 0);
  EXPECT_EQ(editor.most_references, 4);
  EXPECT_EQ(editor.reference_pixels, 32 * 32);
  EXPECT_FALSE(editor.takes_picture_guidance);
  EXPECT_EQ(maker.size_multiple, 4);
  EXPECT_EQ(maker.default_width, 256);
  EXPECT_EQ(maker.default_steps, 50);
  EXPECT_EQ(maker.default_guidance, 4);
  EXPECT_EQ(maker.languages, (std::vector<std::string>{"zh", "en"}));
}

TEST_F(QwenImage, MakesPicturesWithPreviews) {
  for (const std::string model : {kMaker, kEditor}) {
    const auto events = Run(Request(model));
    ASSERT_EQ(events->Error(), "") << model;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{24, 32, 3})) << model;
    EXPECT_EQ(events->steps, 4) << model;
    EXPECT_FALSE(events->previews.empty()) << model;
  }
}

TEST_F(QwenImage, GoesOnFromEachCheckpoint) {
  TrajectoryRequest from_picture = Request();
  from_picture.source = "stripes";
  from_picture.strength = 0.6;
  TrajectoryRequest several = Request(kEditor);
  several.references = {"black", "stripes"};
  for (const TrajectoryRequest& request : {Request(), from_picture, Request(kEditor), several})
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
}

// Beside prompts of other lengths, of which some are guided and some are not.
TEST_F(QwenImage, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : {kMaker, kEditor}) {
    for (const double guidance : {1.0, 4.0}) {
      requests.push_back(Request(model, guidance > 1 ? 3 : 5));
      requests.back().picture.guidance = guidance;
      requests.push_back(requests.back());
      requests.back().picture.prompt += " on the grass, \u4e00\u53ea\u732b";
    }
  }
  requests.push_back(Request(kEditor));
  requests.back().references = {"black"};
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(QwenImage, WhatIsAskedForCounts) {
  for (const std::string model : {kMaker, kEditor}) {
    const at::Tensor picture = PictureOf(Request(model));
    const auto differs = [&](const std::function<void(TrajectoryRequest&)>& change) {
      TrajectoryRequest other = Request(model);
      change(other);
      return !at::equal(PictureOf(other), picture);
    };
    EXPECT_TRUE(differs([](TrajectoryRequest& request) { request.picture.prompt = "a dog"; })) << model;
    EXPECT_TRUE(differs([](TrajectoryRequest& request) { request.picture.guidance = 1; })) << model;
    EXPECT_TRUE(differs([](TrajectoryRequest& request) { request.picture.negative_prompt = "a dog"; }));
    EXPECT_FALSE(differs([](TrajectoryRequest& request) { request.picture.negative_prompt = " "; })) << model;
  }
  TrajectoryRequest other = Request(kEditor);
  other.source = "black";
  const at::Tensor black = PictureOf(other);
  EXPECT_FALSE(at::equal(black, PictureOf(Request(kEditor))));
  other.references = {"stripes"};
  const at::Tensor both = PictureOf(other);
  EXPECT_FALSE(at::equal(both, black));
  other.references = {"stripes", "black", "black"};  // with the source as many as it goes by
  EXPECT_FALSE(at::equal(PictureOf(other), both));
  other.source = "stripes";
  other.references = {"black"};
  EXPECT_FALSE(at::equal(PictureOf(other), both));
}

TEST_F(QwenImage, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request();
  request.width = 30;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 4"));
  for (const std::string model : {kMaker, kEditor}) {
    request = Request(model);
    request.picture.prompt.assign(1200, 'a');
    EXPECT_THAT(Run(request)->Error(), HasSubstr("too long for this model's text encoder")) << model;
  }
  request = Request(kEditor);
  request.source.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture"));
  request = Request(kEditor);
  request.references.assign(4, "black");
  EXPECT_THAT(Run(request)->Error(), HasSubstr("4 at most, given: 5"));
  request = Request();
  request.source = "stripes";
  request.references = {"black"};
  EXPECT_THAT(Run(request)->Error(), HasSubstr("1 at most, given: 2"));
  request = Request(kEditor);
  request.picture.prompt = "as in <|image_pad|>";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the mark that stands for a picture"));
}

TEST_F(QwenImage, WhatDoesNotFitIsRefusedByName) {
  const auto transformer = [](const nlohmann::json& keys) {
    return Refusal({}, "transformer/config.json", keys);
  };
  EXPECT_THAT(transformer({{"in_channels", 20}}),
              AllOf(HasSubstr("transformer/config.json"), HasSubstr("in_channels"), HasSubstr("16")));
  EXPECT_THAT(transformer({{"axes_dims_rope", {4, 6, 8}}}), HasSubstr("axes_dims_rope"));
  EXPECT_THAT(transformer({{"use_layer3d_rope", true}}), HasSubstr("use_layer3d_rope"));
  EXPECT_THAT(transformer({{"joint_attention_dim", 40}}), HasSubstr("joint_attention_dim, 40"));
  EXPECT_THAT(transformer({{"num_layers", 3}}), HasSubstr("transformer_blocks.2"));
  const auto autoencoder = [](const nlohmann::json& keys) { return Refusal({}, "vae/config.json", keys); };
  EXPECT_THAT(autoencoder({{"latents_std", {1, 2}}}), HasSubstr("latents_std"));
  EXPECT_THAT(autoencoder({{"attn_scales", {0.5}}}), HasSubstr("attn_scales"));
  EXPECT_THAT(autoencoder({{"z_dim", 8},
                           {"latents_mean", std::vector<double>(8, 0.0)},
                           {"latents_std", std::vector<double>(8, 1.0)}}),
              HasSubstr("the autoencoder's z_dim, 8"));
  EXPECT_THAT(Refusal({.edits = true}, "text_encoder/config.json", {{"vision_config", nullptr}}),
              HasSubstr("vision_config"));
  EXPECT_THAT(Refusal({.edits = true}, "mind.json", {{"reference_area", 1}}), HasSubstr("reference_area"));
}

// Rows and columns are counted from the middle; of an odd number, one more lies before it.
TEST(QwenImagePlaces, AreCountedFromTheMiddle) {
  const at::Tensor places = QwenImagePlaces(2, 3, 4, at::kCPU);
  ASSERT_EQ(places.sizes(), (at::IntArrayRef{12, 3}));
  EXPECT_TRUE(at::equal(places[0], at::tensor({2, -2, -2}, at::kLong)));
  EXPECT_TRUE(at::equal(places[11], at::tensor({2, 0, 1}, at::kLong)));
}

TEST(QwenImageGuidance, LeavesEveryTokenAsLong) {
  const at::Tensor without = at::linspace(-1, 2, 2 * 4 * 6).view({2, 4, 6}), with = at::cos(3 * without);
  Conditioning conditioning;
  conditioning.guidance.scale = 5;
  conditioning.kept_norms = 2;
  GuidanceMemory memory;
  const at::Tensor guided = Guide(conditioning, {without, with}, 0, memory);
  const auto lengths = [](const at::Tensor& x) {
    return TokensOf(x.unsqueeze(0), 2, TokenOrder::kByChannel).norm(2, -1);
  };
  EXPECT_TRUE(at::allclose(lengths(guided), lengths(with)));
  conditioning.kept_norms = 0;
  EXPECT_FALSE(at::allclose(lengths(Guide(conditioning, {without, with}, 0, memory)), lengths(with)));
}

// Of kernels over time what acts on a lone frame, whatever they are called.
TEST(QwenImageNames, AutoencodersOfVideosAreMadeForPictures) {
  const at::Tensor kernel = at::arange(27, at::kFloat).view({1, 1, 3, 3, 3});
  const NamedTensors wan = FromWanAutoencoder({"file",
                                               {{"decoder.middle.0.residual.2.weight", kernel},
                                                {"decoder.middle.0.residual.0.gamma", at::ones({1, 1, 1, 1})},
                                                {"decoder.upsamples.0.residual.6.bias", at::ones({1})},
                                                {"decoder.upsamples.1.resample.1.bias", at::ones({1})},
                                                {"decoder.upsamples.1.time_conv.bias", at::ones({1})},
                                                {"decoder.upsamples.2.shortcut.bias", at::ones({1})},
                                                {"conv2.bias", at::ones({1})}}});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : wan.tensors) names.push_back(name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("decoder.mid_block.resnets.0.conv1.weight",
                                                   "decoder.mid_block.resnets.0.norm1.gamma",
                                                   "decoder.up_blocks.0.resnets.0.conv2.bias",
                                                   "decoder.up_blocks.0.upsamplers.0.resample.1.bias",
                                                   "decoder.up_blocks.1.resnets.0.conv_shortcut.bias",
                                                   "post_quant_conv.bias"));
  EXPECT_TRUE(at::equal(wan.tensors.at("decoder.mid_block.resnets.0.conv1.weight"), kernel.select(2, 2)));
  EXPECT_EQ(wan.tensors.at("decoder.mid_block.resnets.0.norm1.gamma").dim(), 1);
  const NamedTensors other{"file", {{"decoder.up.0.weight", kernel}}};
  EXPECT_TRUE(FromWanAutoencoder(other).tensors.at("decoder.up.0.weight").dim() == 5);
}

}  // namespace
}  // namespace mind::diffusion
