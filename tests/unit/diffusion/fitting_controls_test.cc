// Networks that steer, and the models that they fit or do not: known by their configurations alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_xl.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/control.h"
#include "worker/diffusion/pipelines/control_library.h"
#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FittingControlsTest : public testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return fs::path(folder_.path()) / name; }
  void Write(const std::string& name, const TinyXlOptions& options) {
    const fs::path tokenizer = mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer";
    TinyXl::Write(Path(name).string(), tokenizer.string(), options);
  }
  static void Change(const fs::path& control, const nlohmann::json& changes) {
    const std::string file = (control / "config.json").string();
    nlohmann::json config = ReadJsonFile(file);
    config.update(changes);
    std::ofstream(file) << config;
  }
  std::string LoadError(const std::string& name, const std::string& control, const nlohmann::json& changes) {
    Write(name, {.steered = true});
    Change(Path(name) / "controls" / control, changes);
    try {
      LoadPipeline(Path(name).string(), {});
      return "";
    } catch (const ModelError& e) {
      return e.what();
    }
  }

  const mind::support::ModelFolder folder_;
};

TEST_F(FittingControlsTest, ANetworkThatDoesNotFitIsRefusedByName) {
  EXPECT_THAT(LoadError("narrow", "edges", {{"cross_attention_dim", 24}}),
              testing::AllOf(HasSubstr("controls/edges"), HasSubstr("cross_attention_dim"), HasSubstr("40")));
  EXPECT_THAT(LoadError("coarse", "edges", {{"conditioning_embedding_out_channels", {4, 8, 8}}}),
              HasSubstr("numbers that halve until pictures are 2 times smaller"));
  EXPECT_THAT(LoadError("wide", "sketch", {{"channels", {8, 32}}}),
              testing::AllOf(HasSubstr("controls/sketch"), HasSubstr("8, 16, as the model's levels have")));
  EXPECT_THAT(LoadError("other", "edges", {{"_class_name", "SparseControlNetModel"}}),
              HasSubstr("ControlNetModel, ControlNetUnionModel, T2IAdapter"));
  EXPECT_THAT(LoadError("large", "sketch", {{"downscale_factor", 8}}),
              testing::AllOf(HasSubstr("controls/sketch"), HasSubstr("\"downscale_factor\" is 8"),
                             HasSubstr("features 4, 4 times smaller"), HasSubstr("these are 8, 8")));
  EXPECT_THAT(LoadError("halved", "sketch", {{"adapter_type", "full_adapter"}}), HasSubstr("these are 4, 8"));
  EXPECT_THAT(LoadError("classes", "edges", {{"num_class_embeds", 10}}),
              HasSubstr("\"num_class_embeds\" is 10, which is not supported; supported: null"));
  EXPECT_THAT(LoadError("guided", "edges", {{"time_cond_proj_dim", 32}}),
              HasSubstr("\"time_cond_proj_dim\" is 32, which is not supported; supported: null"));
  EXPECT_THAT(LoadError("framed", "edges", {{"addition_time_embed_dim", 16}}),
              HasSubstr("\"addition_time_embed_dim\" is 16, which is not supported; supported: 8"));
  EXPECT_THAT(LoadError("pyramid", "edges", {{"down_block_types", {"SkipDownBlock2D", "SkipDownBlock2D"}}}),
              HasSubstr("blocks other than Skip blocks"));
  EXPECT_THAT(LoadError("ungrouped", "edges", {{"norm_num_groups", nullptr}}),
              HasSubstr("\"norm_num_groups\" is unset"));
}

// Before anything is loaded: the worker does not offer it.
TEST_F(FittingControlsTest, AModelWithANetworkThatDoesNotFitIsNotServed) {
  Write("unfit", {.steered = true});
  Change(Path("unfit") / "controls" / "sketch", {{"downscale_factor", 8}});
  const ModelCache models(folder_.path(), {});
  ASSERT_EQ(models.rejected().size(), 1U);
  EXPECT_THAT(models.rejected()[0].reason, HasSubstr("controls/sketch"));
}

// TencentARC's t2iadapter_canny_sd15v2 and t2i-adapter-canny-sdxl-1.0, and light ones.
TEST_F(FittingControlsTest, AnAdapterFitsTheModelItWasMadeFor) {
  Write("sizes", {.steered = true});
  const fs::path controls = Path("sizes") / "controls";
  fs::remove_all(controls / "edges");
  const ModelDirectory directory(Path("sizes").string());
  const UNetConfig sd15 = UNetConfig::From(Config(nlohmann::json::parse(R"({
    "_class_name": "UNet2DConditionModel", "block_out_channels": [320, 640, 1280, 1280],
    "attention_head_dim": 8, "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                         "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                       "CrossAttnUpBlock2D"]})"),
                                                  "sd15"));
  const UNetConfig sdxl = UNetConfig::From(Config(nlohmann::json::parse(R"({
    "_class_name": "UNet2DConditionModel", "block_out_channels": [320, 640, 1280],
    "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10], "use_linear_projection": true,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]})"),
                                                  "sdxl"));
  const auto error = [&](const UNetConfig& unet, const char* kind, const std::vector<int64_t>& channels,
                         int64_t patch) -> std::string {
    Change(controls / "sketch",
           {{"adapter_type", kind}, {"channels", channels}, {"downscale_factor", patch}});
    try {
      ControlLibrary::Check(directory, unet, 4, 8);
      return "";
    } catch (const ModelError& e) {
      return e.what();
    }
  };
  const std::vector<int64_t> full = {320, 640, 1280, 1280}, light = {320, 640, 1280};
  EXPECT_EQ(error(sd15, "full_adapter", full, 8), "");
  EXPECT_EQ(error(sd15, "light_adapter", light, 8), "");
  EXPECT_EQ(error(sdxl, "full_adapter_xl", full, 16), "");
  EXPECT_THAT(error(sdxl, "full_adapter", full, 8), HasSubstr("16, 16, 32, 32 times smaller"));
  EXPECT_THAT(error(sdxl, "light_adapter", light, 8), HasSubstr("these are 8, 16, 32, 64"));
  EXPECT_THAT(error(sd15, "full_adapter_xl", full, 16), HasSubstr("8, 16, 32, 64 times smaller"));
}

// lllyasviel/sd-controlnet-canny.
TEST_F(FittingControlsTest, AtFullSizeItHasAsManyParametersAsPublished) {
  const Config config(nlohmann::json::parse(R"({
    "_class_name": "ControlNetModel", "in_channels": 4, "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2, "attention_head_dim": 8, "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                         "DownBlock2D"]})"),
                      "controlnet");
  FreshParameters parameters(FreshParameters::Values::kNone);
  const ControlNet network(Scope(parameters), ControlNetConfig::From(config));
  EXPECT_EQ(parameters.count(), 361279120);
}

}  // namespace
}  // namespace mind::diffusion
