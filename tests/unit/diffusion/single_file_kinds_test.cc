// Whole models in one file that are told more than a prompt, or have latents of their own: the upscaler,
// Stable unCLIP, Playground 2.5. Each in small, and the same in a directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/whole_file.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class SingleFileKinds : public testing::Test {
 protected:
  using Tensors = WholeFile::Tensors;

  static int64_t Vocabulary() {
    const json words = json::parse(std::ifstream(Tokenizer() / "vocab.json"));
    int64_t largest = 0;
    for (const auto& [token, id] : words.items()) largest = std::max(largest, id.get<int64_t>());
    return largest + 1;
  }
  static fs::path Tokenizer() { return mind::support::ModelFolder::Golden() / "models/sd1/tokenizer"; }

  // The file, with the small vocabulary in a folder of its name.
  void Write(const std::string& name, const Tensors& file) {
    std::ofstream(fs::path(folder_.path()) / (name + ".safetensors"), std::ios::binary)
        << SerializeSafeTensors(file);
    for (const char* const tokenizer : {"tokenizer", "tokenizer_2"}) {
      fs::create_directories(fs::path(folder_.path()) / name);
      fs::copy(Tokenizer(), fs::path(folder_.path()) / name / tokenizer, fs::copy_options::recursive);
    }
  }
  // The same as a directory: what was worked out of the file as small files, and the weights under diffusers'
  // names.
  void WriteDirectory(const std::string& name, const std::string& from,
                      const std::map<std::string, Tensors>& parts) {
    const SingleFile single = SingleFile::Read(folder_.path() + "/" + from + ".safetensors", "");
    const fs::path directory = fs::path(folder_.path()) / name;
    fs::copy(fs::path(folder_.path()) / from, directory, fs::copy_options::recursive);
    std::ofstream(directory / "model_index.json") << single.index;
    for (const auto& [part, config] : single.configs) {
      fs::create_directories(directory / part);
      const bool noises = part.ends_with("scheduler");
      std::ofstream(directory / part /
                    (noises                        ? "scheduler_config.json"
                     : part == "feature_extractor" ? "preprocessor_config.json"
                                                   : "config.json"))
          << config;
    }
    for (const auto& [part, tensors] : parts)
      std::ofstream(directory / part / "model.safetensors", std::ios::binary)
          << SerializeSafeTensors(tensors);
  }

  static TrajectoryRequest RequestOf(const std::string& model, int64_t size) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a cat";
    request.picture.guidance = 3;
    request.width = request.height = size;
    request.sampler = "ddim";
    request.steps = 3;
    request.seed = 7;
    return request;
  }
  static Engine::Options Options() {
    return {.row_threads = 4, .decode = [](const std::string&) {
              return at::arange(24 * 16 * 3, at::kFloat).remainder(251).to(at::kByte).view({24, 16, 3});
            }};
  }
  // That both make the same of it.
  void ExpectSame(TrajectoryRequest request) {
    ModelCache models(folder_.path(), {});
    ASSERT_TRUE(models.rejected().empty())
        << models.rejected()[0].path << ": " << models.rejected()[0].reason;
    request.model = "file";
    const at::Tensor file = PictureMadeAlone(models, Options(), request);
    request.model = "directory";
    ASSERT_TRUE(file.defined());
    EXPECT_TRUE(at::equal(PictureMadeAlone(models, Options(), request), file));
  }

  mind::support::ModelFolder folder_;
};

TEST_F(SingleFileKinds, TheX4Upscaler) {
  WholeFile::Networks networks = WholeFile::Small(false, Vocabulary());
  networks.unet.update({{"in_channels", 7},
                        {"use_linear_projection", true},
                        {"num_class_embeds", 1000},
                        {"only_cross_attention", {true, false}},
                        {"mid_block_only_cross_attention", false},
                        {"down_block_types", {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}},
                        {"up_block_types", {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}}});
  networks.vae.update({{"block_out_channels", {32, 32, 32}},
                       {"down_block_types", std::vector<std::string>(3, "DownEncoderBlock2D")},
                       {"up_block_types", std::vector<std::string>(3, "UpDecoderBlock2D")}});
  networks.text["hidden_act"] = "gelu";
  const WholeFile whole(networks, WholeFile::Numbers::kRandom);
  Tensors file = whole.AsPublished(/*second_version=*/true);
  file["low_scale_model.betas"] = at::zeros({1000});
  Write("file", file);
  const ModelInfo info = DescribeModel(folder_.path() + "/file.safetensors");
  EXPECT_EQ(info.pipeline, "StableDiffusionUpscalePipeline");
  EXPECT_EQ(info.enlargement, 4);
  EXPECT_EQ(info.max_noise_level, 350);
  EXPECT_EQ(info.default_width, 512);
  const SingleFile single = SingleFile::Read(folder_.path() + "/file.safetensors", "");
  EXPECT_EQ(single.configs.at("unet").at("only_cross_attention"), (json{true, false}));
  EXPECT_EQ(single.configs.at("unet").at("attention_head_dim"), 8);
  EXPECT_EQ(single.configs.at("vae").at("scaling_factor"), 0.08333);
  EXPECT_EQ(single.configs.at("scheduler").at("prediction_type"), "v_prediction");
  WriteDirectory("directory", "file", whole.parts());
  TrajectoryRequest request = RequestOf("file", 64);
  request.source = "picture";
  request.strength = 1;
  request.picture.noise_level = 20;
  ExpectSame(request);
}

TEST_F(SingleFileKinds, StableUnclip) {
  constexpr int64_t kEmbedding = 1024;
  WholeFile::Networks networks = WholeFile::Small(false, Vocabulary());
  networks.unet.update({{"use_linear_projection", true},
                        {"attention_head_dim", {1, 1}},
                        {"class_embed_type", "projection"},
                        {"projection_class_embeddings_input_dim", 2 * kEmbedding}});
  networks.text["hidden_act"] = "gelu";
  networks.vision = {{"model_type", "clip_vision_model"},
                     {"image_size", 16},
                     {"patch_size", 8},
                     {"hidden_size", 64},
                     {"intermediate_size", 128},
                     {"num_hidden_layers", 2},
                     {"num_attention_heads", 1},
                     {"hidden_act", "gelu"},
                     {"projection_dim", kEmbedding}};
  const WholeFile whole(networks, WholeFile::Numbers::kRandom);
  Tensors file = whole.AsPublished(/*second_version=*/true);
  file["embedder.model.token_embedding.weight"] = at::zeros({4, 4});  // of a text tower that is not used
  file["noise_augmentor.betas"] = at::zeros({1000});
  Write("file", file);
  const ModelInfo info = DescribeModel(folder_.path() + "/file.safetensors");
  EXPECT_EQ(info.pipeline, "StableUnCLIPImg2ImgPipeline");
  EXPECT_TRUE(info.varies);
  EXPECT_EQ(info.max_noise_level, 999);
  const SingleFile single = SingleFile::Read(folder_.path() + "/file.safetensors", "");
  EXPECT_EQ(single.configs.at("image_encoder"), networks.vision);
  EXPECT_EQ(single.configs.at("scheduler").at("prediction_type"), "v_prediction");
  EXPECT_EQ(single.configs.at("unet").at("sample_size"), 96);
  std::map<std::string, Tensors> parts = whole.parts();
  parts["image_normalizer"] = {{"mean", at::zeros({1, kEmbedding})}, {"std", at::ones({1, kEmbedding})}};
  WriteDirectory("directory", "file", parts);
  TrajectoryRequest request = RequestOf("file", 64);
  request.source = "picture";
  request.strength = 1;
  request.picture.noise_level = 30;
  ExpectSame(request);
}

// That of ViT-L has a mean and a deviation which are not in its file.
TEST_F(SingleFileKinds, StableUnclipOfVitLSaysWhatItLacks) {
  WholeFile::Networks networks = WholeFile::Small(false, Vocabulary());
  networks.unet.update({{"use_linear_projection", true},
                        {"attention_head_dim", {1, 1}},
                        {"class_embed_type", "projection"},
                        {"projection_class_embeddings_input_dim", 2 * 768}});
  networks.text["hidden_act"] = "gelu";
  networks.vision = {{"image_size", 16},           {"patch_size", 8},        {"hidden_size", 64},
                     {"intermediate_size", 128},   {"num_hidden_layers", 1}, {"num_attention_heads", 1},
                     {"hidden_act", "quick_gelu"}, {"projection_dim", 768}};
  Write("file", WholeFile(networks, WholeFile::Numbers::kRandom).AsPublished(/*second_version=*/true));
  EXPECT_EQ(
      SingleFile::Read(folder_.path() + "/file.safetensors", "").configs.at("image_encoder").at("hidden_act"),
      "quick_gelu");
  try {
    LoadPipeline(folder_.path() + "/file.safetensors", {});
    FAIL();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("no image_normalizer of a known kind in it"));
  }
}

TEST_F(SingleFileKinds, Playground) {
  const WholeFile::Networks networks = WholeFile::Small(true, Vocabulary());
  const WholeFile whole(networks, WholeFile::Numbers::kRandom);
  Tensors file = whole.AsPublished();
  file["edm_mean"] = at::tensor({-1.6574, 1.886, -1.383, 2.5155}, at::kFloat).view({1, 4, 1, 1});
  file["edm_std"] = at::tensor({8.4927, 5.9022, 6.5498, 5.2299}, at::kFloat).view({1, 4, 1, 1});
  Write("file", file);
  const SingleFile single = SingleFile::Read(folder_.path() + "/file.safetensors", "");
  EXPECT_EQ(single.pipeline_class, "StableDiffusionXLPipeline");
  const json& vae = single.configs.at("vae");
  EXPECT_EQ(vae.at("scaling_factor"), 0.5);
  EXPECT_NEAR(vae.at("latents_mean").at(1).get<double>(), 1.886, 1e-6);
  EXPECT_NEAR(vae.at("latents_std").at(3).get<double>(), 5.2299, 1e-6);
  const SamplerConfig sampler = SamplerConfig::From(Config(single.configs.at("scheduler"), "scheduler"));
  EXPECT_EQ(sampler.form, NetworkForm::kEdm);
  EXPECT_EQ(sampler.prediction, Prediction::kEpsilon);
  EXPECT_EQ(sampler.sigma_data, 0.5);
  WriteDirectory("directory", "file", whole.parts());
  TrajectoryRequest request = RequestOf("file", 64);
  request.sampler = DescribeModel(folder_.path() + "/file.safetensors").default_sampler;
  ExpectSame(request);
  request.source = "picture";
  request.strength = 0.7;
  request.steps = 5;
  ExpectSame(request);
}

// As diffusers scales them: (latents - mean) · scaling_factor / std, and back.
TEST_F(SingleFileKinds, LatentsAreBroughtToMeanAndDeviationByTheChannel) {
  AutoencoderConfig config;
  config.scaling_factor = 0.5;
  config.latents_mean = {1, -2};
  config.latents_deviation = {4, 8};
  const at::Tensor latents = at::tensor({5.0, 6.0}, at::kFloat).view({2, 1, 1});
  EXPECT_TRUE(at::equal(config.Scaled(latents), at::tensor({0.5, 0.5}, at::kFloat).view({2, 1, 1})));
  EXPECT_TRUE(at::equal(config.Unscaled(config.Scaled(latents)).unsqueeze(0), latents.unsqueeze(0)));
}

}  // namespace
}  // namespace mind::diffusion
