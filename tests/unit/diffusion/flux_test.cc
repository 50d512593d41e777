// FLUX.1 in small, through the engine: what records do not say. Its numbers are checked against recorded ones
// by mind-golden.
#include "worker/diffusion/pipelines/flux.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_flux.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Flux : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    Write("dev", {});
    Write("schnell", {.guided = false});
    Write("kontext", {.kontext = true});
    Write("fill", {.fill = true});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static std::string Path(const std::string& name) { return folder_->path() + "/" + name; }
  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer").string();
  }
  static void Write(const std::string& name, const TinyFluxOptions& options) {
    TinyFlux::Write(Path(name), Tokenizer(), options);
  }

  static TrajectoryRequest Request(const std::string& model, int64_t steps = 3) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 3.5;
    if (model == "kontext" || model == "fill") request.source = "stripes";
    if (model == "fill") request.mask = "half";
    if (model == "fill") request.strength = 1;
    request.width = 16;
    request.height = 24;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static at::Tensor Stripes() {
    return at::arange(12 * 20 * 3, at::kFloat).remainder(251).to(at::kByte).view({12, 20, 3});
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file != "half") return Stripes();
              at::Tensor mask = at::zeros({24, 16, 3}, at::kByte);
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
  static Conditioning Condition(const std::string& model, const PictureRequest& request) {
    const c10::InferenceMode inference;
    return models_->Get(model)->Condition(request, {4, 12, 8});
  }

  // Why a model is refused one of whose files is changed so.
  static std::string Refusal(const std::string& file, const nlohmann::json& keys,
                             const TinyFluxOptions& options = {}) {
    const mind::support::ModelFolder folder;
    const std::string model = folder.path() + "/model";
    TinyFlux::Write(model, Tokenizer(), options);
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

mind::support::ModelFolder* Flux::folder_ = nullptr;
ModelCache* Flux::models_ = nullptr;

TEST_F(Flux, SaysWhatItTakes) {
  const auto info = [](const char* model) { return models_->Get(model)->info(); };
  for (const char* model : {"dev", "schnell", "kontext", "fill"}) {
    EXPECT_TRUE(info(model).takes_prompt && info(model).takes_second_prompt) << model;
    EXPECT_EQ(info(model).size_multiple, 4) << model;
  }
  EXPECT_EQ(info("dev").default_guidance, 3.5);
  EXPECT_EQ(info("schnell").default_guidance, 1);
  EXPECT_EQ(info("fill").default_guidance, 30);
  EXPECT_FALSE(info("dev").takes_guidance || info("dev").takes_negative_prompt);
  EXPECT_FALSE(info("dev").negative_prompt_guides || info("schnell").negative_prompt_guides);
  EXPECT_TRUE(info("schnell").takes_guidance && info("schnell").takes_negative_prompt);
  EXPECT_TRUE(info("kontext").edits && info("fill").needs_mask);
  EXPECT_TRUE(info("dev").takes_hires && !info("kontext").takes_hires);
}

TEST_F(Flux, MakesPictures) {
  for (const std::string model : {"dev", "schnell", "kontext", "fill"}) {
    const auto events = Run(Request(model));
    ASSERT_EQ(events->Error(), "") << model;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{24, 16, 3})) << model;
    EXPECT_FALSE(events->previews.empty()) << model;
  }
}

TEST_F(Flux, GoesOnFromAnyCheckpoint) {
  for (const std::string model : {"dev", "kontext", "fill"})
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), Request(model));
}

// Beside others, guided and not, of another size and with a picture to begin with.
TEST_F(Flux, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : {"dev", "schnell", "kontext"}) {
    for (const double guidance : {1.0, 5.0}) {
      requests.push_back(Request(model, guidance > 1 ? 3 : 5));
      requests.back().picture.guidance = guidance;
    }
  }
  requests.push_back(Request("dev"));
  requests.back().width = 32;
  requests.push_back(Request("dev", 5));
  requests.back().source = "stripes";
  requests.back().strength = 0.5;
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(Flux, TheScaleIsToldOrGuidesInRows) {
  PictureRequest request;
  request.guidance = 3;
  request.negative_prompt = "a dog";
  EXPECT_EQ(Condition("schnell", request).rows.size(), 2U);
  EXPECT_FALSE(Condition("schnell", request).rows[0][Condition::kGuidance].defined());
  Conditioning told = Condition("dev", request);
  ASSERT_EQ(told.rows.size(), 1U);  // unless mind.json names a scale for that
  EXPECT_TRUE(at::equal(told.rows[0][Condition::kGuidance], FluxGuidance(3)));
  request.guidance = 1;
  EXPECT_EQ(Condition("schnell", request).rows.size(), 1U);
}

TEST_F(Flux, TrueGuidanceIsForThoseWhoHaveANegativePrompt) {
  const mind::support::ModelFolder folder;
  const std::string model = folder.path() + "/model";
  TinyFlux::Write(model, Tokenizer());
  std::ofstream(model + "/mind.json") << R"({"max_sequence_length": 20, "true_guidance": 2.5})";
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(model, {});
  EXPECT_TRUE(pipeline->info().takes_negative_prompt && pipeline->info().negative_prompt_guides);
  const c10::InferenceMode inference;
  PictureRequest request;
  EXPECT_EQ(pipeline->Condition(request, {4, 12, 8}).rows.size(), 1U);
  request.negative_prompt = "a dog";
  const Conditioning told = pipeline->Condition(request, {4, 12, 8});
  ASSERT_EQ(told.rows.size(), 2U);
  EXPECT_EQ(told.guidance.scale, 2.5);
}

// The second prompt is T5's, the first one CLIP's.
TEST_F(Flux, ItsEncodersMayReadDifferentPrompts) {
  PictureRequest request;
  request.prompt = "a cat";
  const Told same = Condition("dev", request).rows[0];
  EXPECT_EQ(same[Condition::kText].sizes(), (at::IntArrayRef{20, 16}));
  request.prompt_2 = "a dog";
  const Told other = Condition("dev", request).rows[0];
  EXPECT_TRUE(at::equal(same[Condition::kPooled], other[Condition::kPooled]));
  EXPECT_FALSE(at::equal(same[Condition::kText], other[Condition::kText]));
}

TEST_F(Flux, KontextSeesThePictureItsOwnWay) {
  const at::Tensor picture = PictureOf(Request("kontext"));
  TrajectoryRequest request = Request("kontext");
  request.width = 24;  // more tokens than the reference has
  EXPECT_EQ(PictureOf(request).size(1), 24);
  Engine::Options options = Options();
  options.decode = [](const std::string&) { return Stripes().flip({0}); };
  EXPECT_FALSE(at::equal(PictureMadeAlone(*models_, options, Request("kontext")), picture));
}

TEST_F(Flux, KontextSizesAreThoseItWasTrainedAt) {
  const auto size = [](int64_t width, int64_t height) { return KontextSize(width, height, 16); };
  EXPECT_EQ(size(512, 512), (std::array<int64_t, 2>{1024, 1024}));
  EXPECT_EQ(size(1000, 10), (std::array<int64_t, 2>{1568, 672}));
  EXPECT_EQ(size(10, 1000), (std::array<int64_t, 2>{672, 1568}));
  EXPECT_EQ(size(400, 300), (std::array<int64_t, 2>{1184, 880}));
}

TEST_F(Flux, AMasksPixelsAreChannels) {
  const at::Tensor mask = at::arange(4 * 6, at::kFloat).view({1, 4, 6});
  const at::Tensor channels = MaskChannels(mask, 2);
  ASSERT_EQ(channels.sizes(), (at::IntArrayRef{4, 2, 3}));
  for (int64_t y = 0; y < 4; ++y) {
    for (int64_t x = 0; x < 6; ++x)
      EXPECT_EQ(channels[2 * (y % 2) + x % 2][y / 2][x / 2].item<float>(), mask[0][y][x].item<float>());
  }
}

TEST_F(Flux, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request("kontext");
  request.source.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture"));
  request = Request("fill");
  request.mask.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture and a mask"));
  request = Request("dev");
  for (int i = 0; i < 20; ++i) request.picture.prompt += " b";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the prompt is too long for this model's text encoder"));
  request = Request("dev");
  request.width = 18;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 4"));
}

TEST_F(Flux, WhatDoesNotFitIsRefusedByName) {
  const auto transformer = [](const nlohmann::json& keys, const TinyFluxOptions& options = {}) {
    return Refusal("transformer/config.json", keys, options);
  };
  EXPECT_THAT(transformer({{"in_channels", 20}}), HasSubstr("in_channels"));
  EXPECT_THAT(transformer({{"in_channels", 20}}, {.fill = true}), HasSubstr("48"));
  EXPECT_THAT(transformer({{"joint_attention_dim", 24}}), HasSubstr("text_encoder_2's d_model, 16"));
  EXPECT_THAT(transformer({{"pooled_projection_dim", 20}}), HasSubstr("24"));
  EXPECT_THAT(transformer({{"axes_dims_rope", {2, 2, 2}}}), HasSubstr("axes_dims_rope"));
  EXPECT_THAT(transformer({{"patch_size", 2}}), HasSubstr("patch_size"));
  EXPECT_THAT(transformer({{"guidance_embeds", false}}), HasSubstr("guidance_embedder"));
  EXPECT_THAT(transformer({{"num_layers", 2}}), HasSubstr("transformer_blocks.1"));
  EXPECT_THAT(Refusal("vae/config.json", {{"latent_channels", 8}}), HasSubstr("out_channels"));
  EXPECT_THAT(Refusal("mind.json", {{"max_sequence_length", 600}}), HasSubstr("1 to 512"));
  EXPECT_THAT(Refusal("mind.json", {{"true_guidance", 0.5}}), HasSubstr("true_guidance"));
}

}  // namespace
}  // namespace mind::diffusion
