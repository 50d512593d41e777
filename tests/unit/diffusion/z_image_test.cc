// Z-Image in small, through the engine: what records do not say. Its numbers are checked against recorded
// ones by mind-golden.
#include "worker/diffusion/pipelines/z_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_z_image.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ZImage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    TinyZImage::Write(folder_->path() + "/z");
    models_ = new ModelCache(folder_->path(), {});
  }

  static TrajectoryRequest Request(double guidance = 4, int64_t steps = 4) {
    TrajectoryRequest request;
    request.model = "z";
    request.picture.prompt = "a cat";
    request.picture.guidance = guidance;
    request.width = 16;
    request.height = 24;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static TrajectoryRequest Painting() {
    TrajectoryRequest request = Request();
    request.source = "stripes";
    request.mask = "half";
    request.strength = 0.8;
    return request;
  }

  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file != "half")
                return at::arange(24 * 16 * 3, at::kFloat).remainder(251).to(at::kByte).view({24, 16, 3});
              at::Tensor mask = at::zeros({24, 16, 3}, at::kByte);
              mask.narrow(1, 8, 8).fill_(255);
              return mask;
            }};
  }

  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a model is refused whose `file` has other values of keys.
  static std::string Refusal(const std::string& file, const nlohmann::json& keys) {
    const mind::support::ModelFolder folder;
    const fs::path model = folder.path() + "/z";
    TinyZImage::Write(model.string());
    nlohmann::json config =
        fs::exists(model / file) ? ReadJsonFile((model / file).string()) : nlohmann::json::object();
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

mind::support::ModelFolder* ZImage::folder_ = nullptr;
ModelCache* ZImage::models_ = nullptr;

TEST_F(ZImage, SaysWhatItTakes) {
  const ModelInfo info = models_->Get("z")->info();
  EXPECT_TRUE(info.takes_prompt && info.takes_negative_prompt && info.takes_guidance && info.takes_source);
  EXPECT_THAT(info.languages, testing::ElementsAre("zh", "en"));
  EXPECT_EQ(info.size_multiple, 4);
  EXPECT_EQ(info.default_width, 256);
  EXPECT_EQ(info.default_steps, 50);
  EXPECT_EQ(info.default_guidance, 5);
  EXPECT_EQ(info.default_sampler, "euler");
}

TEST_F(ZImage, GoesOnFromACheckpoint) {
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), Request());
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), Painting());
}

TEST_F(ZImage, GoesOverItsOwnPicture) {
  for (const bool latents : {false, true}) {
    TrajectoryRequest request = Request();
    request.hires = {.width = 32, .height = 48, .steps = 3, .strength = 0.6, .latents = latents};
    EXPECT_EQ(PictureOf(request).sizes(), (at::IntArrayRef{48, 32, 3}));
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  }
}

// Prompts of different lengths, guided and not, of different sizes.
TEST_F(ZImage, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const double guidance : {0.0, 1.0, 4.0}) {
    for (const std::string prompt : {"", "a cat", "a cat and a cat and a cat and another"}) {
      requests.push_back(Request(guidance, guidance > 1 ? 3 : 4));
      requests.back().picture.prompt = prompt;
      requests.back().height = prompt.empty() ? 16 : 24;
    }
  }
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(ZImage, WhatIsAskedForCounts) {
  const at::Tensor picture = PictureOf(Request()), unguided = PictureOf(Request(1));
  EXPECT_FALSE(at::equal(picture, unguided));
  EXPECT_TRUE(at::equal(PictureOf(Request(0)), unguided));  // as its authors write "none" of Turbo
  TrajectoryRequest other = Request();
  other.picture.prompt = "a dog";
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
  other = Request();
  other.picture.negative_prompt = "";  // as none
  EXPECT_TRUE(at::equal(PictureOf(other), picture));
  other.picture.negative_prompt = "grey";
  EXPECT_FALSE(at::equal(PictureOf(other), picture));
}

TEST_F(ZImage, ALongPromptIsRefused) {
  TrajectoryRequest request = Request();
  for (int i = 0; i < 600; ++i) request.picture.prompt += " cat";
  EXPECT_THAT(MadeAlone(*models_, Options(), request)->Error(), HasSubstr("too long"));
}

TEST_F(ZImage, WhatDoesNotFitIsRefusedByName) {
  const auto transformer = [](const nlohmann::json& keys) {
    return Refusal("transformer/config.json", keys);
  };
  EXPECT_THAT(transformer({{"in_channels", 16}}), HasSubstr("the autoencoder's latent_channels, 4"));
  EXPECT_THAT(transformer({{"cap_feat_dim", 32}}), HasSubstr("the text encoder's hidden_size, 16"));
  EXPECT_THAT(transformer({{"all_patch_size", {4}}}), HasSubstr("all_patch_size"));
  EXPECT_THAT(transformer({{"n_kv_heads", 1}}), HasSubstr("n_kv_heads"));
  EXPECT_THAT(transformer({{"n_heads", 5}}), HasSubstr("a divisor of dim"));
  EXPECT_THAT(transformer({{"axes_dims", {4, 4, 6}}}), HasSubstr("whose sum is the width of a head, 12"));
  EXPECT_THAT(transformer({{"siglip_feat_dim", 8}}), HasSubstr("siglip_feat_dim"));
  EXPECT_THAT(transformer({{"qk_norm", false}}), HasSubstr("qk_norm"));
  EXPECT_THAT(transformer({{"n_layers", 3}}), HasSubstr("layers.2"));
  const auto text = [](const nlohmann::json& keys) { return Refusal("text_encoder/config.json", keys); };
  EXPECT_THAT(text({{"model_type", "llama"}}), HasSubstr("qwen3, qwen2_5_vl"));
  EXPECT_THAT(text({{"num_key_value_heads", 3}}), HasSubstr("num_key_value_heads"));
  EXPECT_THAT(text({{"attention_bias", true}}), HasSubstr("attention_bias"));
  EXPECT_THAT(text({{"rope_scaling", {{"rope_type", "yarn"}}}}), HasSubstr("rope_type"));
  EXPECT_THAT(text({{"num_hidden_layers", 5}}), HasSubstr("layers.3"));
  EXPECT_THAT(text({{"vocab_size", 262}}), HasSubstr("embed_tokens"));
  EXPECT_THAT(Refusal("mind.json", {{"max_sequence_length", 2000}}), HasSubstr("1 to 1024"));
  EXPECT_THAT(Refusal("mind.json", {{"cfg_normalization", -1}}), HasSubstr("cfg_normalization"));
}

}  // namespace
}  // namespace mind::diffusion
