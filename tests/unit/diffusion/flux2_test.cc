// FLUX.2 klein in small, through the engine: what records do not say. Its numbers are checked against
// recorded ones by mind-golden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_flux2.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/flux2_klein.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class Flux2Klein : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinyFlux2::Write(folder_->path() + "/base");
    TinyFlux2::Write(folder_->path() + "/distilled", {.distilled = true});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static TrajectoryRequest Request(const std::string& model, bool edits = false, int64_t steps = 3) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 4;
    if (edits) request.source = "stripes";
    request.width = 16;
    request.height = 24;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static at::Tensor Stripes() {
    return at::arange(13 * 22 * 3, at::kFloat).remainder(251).to(at::kByte).view({13, 22, 3});
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file == "broken") throw RequestError("not a picture");
              return file == "black" ? at::zeros({9, 14, 3}, at::kByte) : Stripes();
            }};
  }

  static std::string ErrorOf(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request)->Error();
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a model is refused one of whose files is changed so.
  static std::string Refusal(const std::string& file, const nlohmann::json& keys) {
    const mind::support::ModelFolder folder;
    const std::string model = folder.path() + "/model";
    TinyFlux2::Write(model);
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

mind::support::ModelFolder* Flux2Klein::folder_ = nullptr;
ModelCache* Flux2Klein::models_ = nullptr;

TEST_F(Flux2Klein, SaysWhatItTakes) {
  const ModelInfo base = models_->Get("base")->info(), distilled = models_->Get("distilled")->info();
  EXPECT_TRUE(base.takes_prompt && base.takes_negative_prompt && base.takes_guidance);
  EXPECT_TRUE(base.edits && base.makes_too);
  EXPECT_FALSE(base.takes_hires);
  EXPECT_EQ(base.most_references, 3);
  EXPECT_FALSE(base.takes_picture_guidance);
  EXPECT_EQ(base.size_multiple, 4);
  EXPECT_EQ(base.default_steps, 50);
  EXPECT_EQ(base.default_guidance, 4);
  EXPECT_FALSE(distilled.takes_negative_prompt || distilled.takes_guidance);
  EXPECT_EQ(distilled.default_steps, 4);
  EXPECT_EQ(distilled.default_guidance, 1);
}

TEST_F(Flux2Klein, GoesOnFromAnyCheckpoint) {
  for (const bool edits : {false, true}) {
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), Request("base", edits));
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), Request("distilled", edits));
  }
  TrajectoryRequest several = Request("distilled", /*edits=*/true);
  several.references = {"black", "stripes"};
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), several);
}

// Guided and not, of other sizes, with pictures that are changed, one and several, and without.
TEST_F(Flux2Klein, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const bool edits : {false, true}) {
    for (const double guidance : {1.0, 4.0}) {
      for (const std::string prompt : {"", "a cat and a cat"}) {
        requests.push_back(Request("base", edits, guidance > 1 ? 3 : 4));
        requests.back().picture.guidance = guidance;
        requests.back().picture.prompt = prompt;
        requests.back().height = prompt.empty() ? 16 : 24;
      }
    }
  }
  requests.push_back(Request("base", /*edits=*/true));
  requests.back().references = {"black"};
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(Flux2Klein, WhatIsAskedForCounts) {
  const at::Tensor picture = PictureOf(Request("base"));
  EXPECT_EQ(picture.sizes(), (at::IntArrayRef{24, 16, 3}));
  EXPECT_FALSE(at::equal(PictureOf(Request("base", /*edits=*/true)), picture));
  TrajectoryRequest other = Request("base");
  other.picture.negative_prompt = "";  // as none
  EXPECT_TRUE(at::equal(PictureOf(other), picture));
  other.picture.negative_prompt = "grey";
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
  other = Request("base");
  other.picture.guidance = 1;
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
  other = Request("distilled");
  other.picture.guidance = 1;
  EXPECT_TRUE(at::equal(PictureOf(other), PictureOf(Request("distilled"))));
}

TEST_F(Flux2Klein, EachOfSeveralPicturesCountsInItsPlace) {
  const auto picture = [](const std::string& source, const std::vector<std::string>& references) {
    TrajectoryRequest request = Request("base");
    request.source = source;
    request.references = references;
    return PictureOf(request);
  };
  const at::Tensor both = picture("stripes", {"black"});
  EXPECT_FALSE(at::equal(both, picture("stripes", {})));
  EXPECT_FALSE(at::equal(both, picture("black", {"stripes"})));
  EXPECT_FALSE(at::equal(both, picture("stripes", {"black", "black"})));
  EXPECT_TRUE(at::equal(both, picture("stripes", {"black"})));
}

TEST_F(Flux2Klein, PicturesAreSeenAtAMegapixelAndCutToTheirMiddle) {
  const at::Tensor picture = Stripes(), seen = Flux2Reference(picture, 4);
  ASSERT_EQ(seen.sizes(), (at::IntArrayRef{12, 20, 3}));
  EXPECT_TRUE(at::equal(seen, picture.narrow(0, 0, 12).narrow(1, 1, 20)));
  const auto size = [](int64_t height, int64_t width) {
    return Flux2Reference(at::zeros({height, width, 3}, at::kByte), 16).sizes().vec();
  };
  EXPECT_EQ(size(1024, 1024), (std::vector<int64_t>{1024, 1024, 3}));
  EXPECT_EQ(size(1000, 2000), (std::vector<int64_t>{720, 1440, 3}));  // 724.07 and 1448.15
  EXPECT_THROW(size(15, 100), RequestError);
}

TEST_F(Flux2Klein, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request("base", /*edits=*/true);
  request.mask = "stripes";
  EXPECT_THAT(ErrorOf(request), HasSubstr("neither a mask nor a depth map"));
  request = Request("base");
  for (int i = 0; i < 40; ++i) request.picture.prompt += " b";
  EXPECT_THAT(ErrorOf(request), HasSubstr("the prompt is too long for this model's text encoder"));
  request = Request("base", /*edits=*/true);
  request.references = {"black", "broken"};
  EXPECT_THAT(ErrorOf(request), HasSubstr("reference picture 3: not a picture"));
  request.references = {"black", "black", "black"};
  EXPECT_THAT(ErrorOf(request), HasSubstr("pictures that this model goes by: 3 at most, given: 4"));
  request.source.clear();
  EXPECT_THAT(ErrorOf(request), HasSubstr("need a first"));
  request = Request("base");
  request.width = 18;
  EXPECT_THAT(ErrorOf(request), HasSubstr("multiples of 4"));
}

TEST_F(Flux2Klein, WhatDoesNotFitIsRefusedByName) {
  const auto transformer = [](const nlohmann::json& keys) {
    return Refusal("transformer/config.json", keys);
  };
  EXPECT_THAT(transformer({{"in_channels", 20}}), HasSubstr("latent_channels, 16"));
  EXPECT_THAT(transformer({{"joint_attention_dim", 16}}), HasSubstr("for each layer told, 48"));
  EXPECT_THAT(transformer({{"axes_dims_rope", {2, 2, 4}}}), HasSubstr("axes_dims_rope"));
  EXPECT_THAT(transformer({{"patch_size", 2}}), HasSubstr("patch_size"));
  EXPECT_THAT(transformer({{"out_channels", 8}}), HasSubstr("out_channels"));
  EXPECT_THAT(transformer({{"guidance_embeds", true}}), HasSubstr("guidance_embeds"));
  EXPECT_THAT(transformer({{"timestep_guidance_channels", 128}}), HasSubstr("timestep_guidance_channels"));
  EXPECT_THAT(transformer({{"num_layers", 2}}), HasSubstr("transformer_blocks.1"));
  const auto autoencoder = [](const nlohmann::json& keys) { return Refusal("vae/config.json", keys); };
  EXPECT_THAT(autoencoder({{"_class_name", "AutoencoderKL"}}), HasSubstr("AutoencoderKLFlux2"));
  EXPECT_THAT(autoencoder({{"patch_size", {1, 2}}}), HasSubstr("patch_size"));
  EXPECT_THAT(autoencoder({{"batch_norm_eps", -1}}), HasSubstr("batch_norm_eps"));
  EXPECT_THAT(autoencoder({{"decoder_block_out_channels", {4}}}), HasSubstr("as many levels"));
  EXPECT_THAT(Refusal("mind.json", {{"max_sequence_length", 600}}), HasSubstr("1 to 512"));
  EXPECT_THAT(Refusal("mind.json", {{"text_encoder_out_layers", {1, 2, 4}}}), HasSubstr("1 to 3"));
  EXPECT_THAT(Refusal("mind.json", {{"text_encoder_out_layers", nullptr}}), HasSubstr("27 and more"));
}

}  // namespace
}  // namespace mind::diffusion
