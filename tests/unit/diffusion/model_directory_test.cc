#include "worker/diffusion/pipelines/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/unet.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A UNet for sd1 whose prompts are 40 wide before it projects them to the encoder's 32.
class WideUNet : private TinyModel {
 public:
  static void Write(const std::string& directory) {
    const c10::InferenceMode inference;
    WideUNet(directory, /*tokenizer=*/"")
        .WriteNetwork<UNet, UNetConfig>(
            "unet", "diffusion_pytorch_model",
            ResizingUNet(4, 4, {{"encoder_hid_dim", 40}, {"cross_attention_dim", 32}}), 1);
  }

 private:
  using TinyModel::TinyModel;
};

// A copy of a tiny model that a test may damage.
class ModelDirectoryTest : public testing::Test {
 protected:
  ModelDirectoryTest() {
    path_ = root_ / "sd1";
    fs::copy(fs::path(MIND_TEST_DATA) / "golden/models/sd1", path_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    }
  }

  void Replace(const std::string& file, const std::string& from, const std::string& to) {
    std::ifstream in(path_ / file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(path_ / file) << text;
  }

  std::string LoadError() {
    try {
      LoadPipeline(path_.string(), {});
      return "loaded";
    } catch (const ModelError& e) {
      return e.what();
    }
  }

  const support::TemporaryFolder root_;
  fs::path path_;
};

TEST_F(ModelDirectoryTest, LoadsAndDescribesItself) {
  EXPECT_EQ(LoadError(), "loaded");
  const ModelInfo info = DescribeModel(path_.string());
  EXPECT_EQ(info.name, "sd1");
  EXPECT_EQ(info.default_sampler, "pndm");
  EXPECT_EQ(info.default_width, 64);
  EXPECT_TRUE(info.takes_prompt);
}

TEST_F(ModelDirectoryTest, TakesDefaultsFromMindJson) {
  std::ofstream(path_ / "mind.json") << R"({"default_steps": 12, "default_guidance": 2.5})";
  EXPECT_EQ(DescribeModel(path_.string()).default_steps, 12);
  EXPECT_EQ(DescribeModel(path_.string()).default_guidance, 2.5);
  std::ofstream(path_ / "mind.json") << R"({"default_steps": 0})";
  EXPECT_EQ(LoadError(), "loaded");  // defaults are for describing; loading does not read them
  try {
    DescribeModel(path_.string());
    FAIL() << "described";
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("default_steps"), HasSubstr("1 to num_train_timesteps")));
  }
}

TEST_F(ModelDirectoryTest, ACascadeNamesWhatCannotBeAStage) {
  const fs::path cascade = root_ / "cascade", golden = fs::path(MIND_TEST_DATA) / "golden/models";
  fs::create_directory(cascade);
  const auto error = [&](const nlohmann::json& stages) {
    std::ofstream(cascade / "cascade.json") << nlohmann::json{{"_class_name", "Cascade"}, {"stages", stages}};
    try {
      DescribeModel(cascade.string());
      return std::string("described");
    } catch (const ModelError& e) {
      return std::string(e.what());
    }
  };
  const std::string base = "../sd1", upscaler = (golden / "sd-x4-upscaler").string();
  const std::string up = fs::relative(upscaler, cascade).string();
  EXPECT_THAT(error({base}), HasSubstr("2 to 4 model directories"));
  EXPECT_THAT(error(3), HasSubstr("stages"));
  EXPECT_THAT(error({base, base}),
              HasSubstr("sd1: a cascade's later stages are upscalers, and this is none"));
  EXPECT_THAT(error({up, up}), HasSubstr("an upscaler cannot be a cascade's first stage"));
  EXPECT_THAT(error({base, "../nothing"}), HasSubstr("nothing: not a model"));
  EXPECT_THAT(error({base, "../cascade"}), HasSubstr("cascade: a cascade within a cascade"));
  // The tiny upscaler serves 128 pixels at most, and sd1 makes 64.
  EXPECT_THAT(error({base, up}), HasSubstr("its stages make 256x256, more than the last of them serve"));
}

TEST_F(ModelDirectoryTest, NamesAMissingFile) {
  fs::remove(path_ / "unet/config.json");
  EXPECT_THAT(LoadError(), HasSubstr("unet/config.json: missing"));
}

TEST_F(ModelDirectoryTest, NamesMissingWeights) {
  fs::remove(path_ / "vae/diffusion_pytorch_model.safetensors");
  EXPECT_THAT(LoadError(), HasSubstr("vae: no weights; looked for"));
}

TEST_F(ModelDirectoryTest, NamesATensorOfTheWrongShape) {
  Replace("unet/config.json", "\"in_channels\": 4", "\"in_channels\": 8");
  Replace("vae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 8");
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("conv_in.weight"), HasSubstr("[16, 4, 3, 3]"),
                                          HasSubstr("[16, 8, 3, 3]")));
}

TEST_F(ModelDirectoryTest, NamesTensorsThatBelongNowhere) {
  Replace("text_encoder/config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2");
  EXPECT_THAT(LoadError(), HasSubstr("belong to no part"));
}

TEST_F(ModelDirectoryTest, NamesATokenizerWithIdsBeyondTheEncoders) {
  std::ifstream in(path_ / "tokenizer/vocab.json");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  text.replace(text.find('{'), 1, "{\"beyond\": 99999, ");
  std::ofstream(path_ / "tokenizer/vocab.json") << text;
  EXPECT_THAT(LoadError(),
              HasSubstr("the tokenizer makes ids up to 99999 but the text encoder knows those below"));
}

TEST_F(ModelDirectoryTest, NamesAnUnsupportedOption) {
  Replace("unet/config.json", "\"time_embedding_type\": \"positional\"",
          "\"time_embedding_type\": \"fourier\"");
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("time_embedding_type"), HasSubstr("positional")));
}

// Networks told what this pipeline has nothing to tell of would load, and fail at the first picture.
TEST_F(ModelDirectoryTest, RefusesANetworkToldALevelOfNoise) {
  Replace("unet/config.json", "\"class_embed_type\": null", "\"class_embed_type\": \"timestep\"");
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("\"class_embed_type\" is \"timestep\""),
                                          HasSubstr("supported: null")));
}

TEST_F(ModelDirectoryTest, RefusesANetworkWhosePromptsAreWiderThanTheEncoders) {
  WideUNet::Write(path_.string());
  EXPECT_THAT(LoadError(),
              HasSubstr("the UNet's encoder_hid_dim is 40 but the text encoders' hidden_size is 32"));
}

TEST_F(ModelDirectoryTest, NamesAnUnknownSchedulerClass) {
  Replace("scheduler/scheduler_config.json", "PNDMScheduler", "FancyScheduler");
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("FancyScheduler"), HasSubstr("DDIMScheduler")));
}

TEST_F(ModelDirectoryTest, NamesAnUnknownPipeline) {
  Replace("model_index.json", "StableDiffusionPipeline", "FancyPipeline");
  EXPECT_THAT(LoadError(), testing::AllOf(HasSubstr("FancyPipeline"), HasSubstr("StableDiffusionPipeline")));
}

TEST_F(ModelDirectoryTest, RefusesBrokenJson) {
  std::ofstream(path_ / "unet/config.json") << "{";
  EXPECT_THAT(LoadError(), HasSubstr("unet/config.json: not valid JSON"));
}

TEST_F(ModelDirectoryTest, RefusesTruncatedWeights) {
  const fs::path file = path_ / "unet/diffusion_pytorch_model.safetensors";
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_THAT(LoadError(), HasSubstr("truncated"));
}

TEST_F(ModelDirectoryTest, CacheServesGoodModelsAndNamesBadOnes) {
  fs::copy(path_, root_ / "broken", fs::copy_options::recursive);
  std::ofstream(root_ / "broken/unet/config.json") << "{";
  fs::create_directory(root_ / "not-a-model");
  ModelCache cache(root_.string(), {});
  ASSERT_EQ(cache.models().size(), 1U);
  ASSERT_EQ(cache.rejected().size(), 1U);
  EXPECT_THAT(cache.rejected()[0].reason, HasSubstr("not valid JSON"));
  EXPECT_THROW(cache.Get("broken"), RequestError);
  EXPECT_TRUE(cache.LoadedNames().empty());
  EXPECT_EQ(cache.Get("sd1"), cache.Get("sd1"));
  EXPECT_EQ(cache.LoadedNames(), std::vector<std::string>{"sd1"});
}

}  // namespace
}  // namespace mind::diffusion
