// What is worked out from a file of a whole model: the networks' sizes, what it predicts, its vocabulary.
#include "worker/diffusion/pipelines/single_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/sparse_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/whole_file.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/weights/mapped_file.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/diffusion/weights/safetensors_header.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

json Unet(const std::string& of_its_own) {
  return json::parse(R"({"_class_name": "UNet2DConditionModel", "out_channels": 4, )" + of_its_own + "}");
}

// The published configurations, as far as they say anything of the network, in the words that shapes give
// them: a number for each level where the publisher wrote one for all.
const json kFirst = Unet(R"("in_channels": 4, "sample_size": 64, "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2, "attention_head_dim": 8, "cross_attention_dim": 768,
    "use_linear_projection": false, "transformer_layers_per_block": [1, 1, 1, 1],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"])");
const json kXl = Unet(R"("in_channels": 4, "sample_size": 128, "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2, "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048,
    "use_linear_projection": true, "transformer_layers_per_block": [1, 2, 10],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816)");
const json kRefiner = Unet(R"("in_channels": 4, "sample_size": 128,
    "block_out_channels": [384, 768, 1536, 1536], "layers_per_block": 2,
    "attention_head_dim": [6, 12, 24, 24], "cross_attention_dim": 1280, "use_linear_projection": true,
    "transformer_layers_per_block": [1, 4, 4, 4], "mid_block_type": "UNetMidBlock2DCrossAttn",
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2560)");

json Second(int64_t sample_size) {
  json unet = kFirst;
  unet["sample_size"] = sample_size;
  unet["attention_head_dim"] = {5, 10, 20, 20};
  unet["cross_attention_dim"] = 1024;
  unet["use_linear_projection"] = true;
  return unet;
}

json Vae(bool xl) {
  json vae = json::parse(R"({"_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3,
      "latent_channels": 4, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
      "mid_block_add_attention": true})");
  vae["down_block_types"] = std::vector<std::string>(4, "DownEncoderBlock2D");
  vae["up_block_types"] = std::vector<std::string>(4, "UpDecoderBlock2D");
  vae["scaling_factor"] = xl ? 0.13025 : 0.18215;
  vae["force_upcast"] = xl;
  return vae;
}

json Text(int64_t width, int64_t layers, const std::string& activation, bool projects = false) {
  json text = {{"model_type", "clip_text_model"},
               {"vocab_size", 49408},
               {"hidden_size", width},
               {"intermediate_size", 4 * width},
               {"num_hidden_layers", layers},
               {"num_attention_heads", width / 64},
               {"max_position_embeddings", 77},
               {"hidden_act", activation},
               {"eos_token_id", 2},
               {"architectures", {projects ? "CLIPTextModelWithProjection" : "CLIPTextModel"}}};
  if (projects) text["projection_dim"] = width;
  return text;
}

class SingleFileTest : public testing::Test {
 protected:
  using Tensors = WholeFile::Tensors;

  // What is worked out from the shapes of these networks.
  SingleFile ReadFullSize(const WholeFile::Networks& networks, bool second_version = false,
                          const std::map<std::string, std::string>& metadata = {}) {
    Tensors file = WholeFile(networks, WholeFile::Numbers::kNone).AsPublished(second_version);
    for (const std::string& marker : markers_) file[marker] = at::zeros({0});
    const fs::path path = folder_ / "full.safetensors";
    WriteSparseSafeTensors(path, file, metadata);
    return SingleFile::Read(path.string(), "");
  }

  static void Expect(const SingleFile& single, const WholeFile::Networks& networks) {
    EXPECT_EQ(single.configs.at("unet"), networks.unet);
    EXPECT_EQ(single.configs.at("vae"), networks.vae);
    for (const auto& [part, text] :
         {std::pair("text_encoder", networks.text), std::pair("text_encoder_2", networks.text_2)}) {
      const auto found = single.configs.find(part);
      EXPECT_EQ(found == single.configs.end() ? json() : found->second, text);
    }
  }

  static int64_t ParametersOf(const json& unet) {
    FreshParameters parameters(FreshParameters::Values::kNone);
    const UNet network(Scope(parameters), UNetConfig::From(Config(unet, "unet")));
    return parameters.count();
  }

  std::string ReadError(const WholeFile::Networks& networks) {
    try {
      return "a " + ReadFullSize(networks).pipeline_class;
    } catch (const ModelError& e) {
      return e.what();
    }
  }

  static WholeFile::Networks First() { return {kFirst, Vae(false), Text(768, 12, "quick_gelu"), {}}; }
  static WholeFile::Networks Xl() {
    return {kXl, Vae(true), Text(768, 12, "quick_gelu"), Text(1280, 32, "gelu", true)};
  }

  const support::TemporaryFolder folder_;
  std::vector<std::string> markers_;
};

TEST_F(SingleFileTest, StableDiffusion1) {
  const SingleFile single = ReadFullSize(First());
  Expect(single, First());
  EXPECT_EQ(ParametersOf(single.configs.at("unet")), 859520964);
  EXPECT_EQ(single.pipeline_class, "StableDiffusionPipeline");
  EXPECT_EQ(single.configs.at("scheduler").at("prediction_type"), "epsilon");
  EXPECT_EQ(single.padding.at("tokenizer"), "<|endoftext|>");
}

TEST_F(SingleFileTest, StableDiffusion2) {
  const auto networks = [](int64_t size) {
    return WholeFile::Networks{Second(size), Vae(false), Text(1024, 23, "gelu"), {}};
  };
  const SingleFile noise = ReadFullSize(networks(64), true);
  Expect(noise, networks(64));
  EXPECT_EQ(ParametersOf(noise.configs.at("unet")), 865910724);
  EXPECT_EQ(noise.configs.at("scheduler").at("prediction_type"), "epsilon");
  EXPECT_EQ(noise.padding.at("tokenizer"), "!");
  const SingleFile velocity = ReadFullSize(networks(96), true, {{"modelspec.prediction_type", "v"}});
  Expect(velocity, networks(96));
  EXPECT_EQ(velocity.configs.at("scheduler").at("prediction_type"), "v_prediction");
  EXPECT_EQ(velocity.configs.at("scheduler").at("_class_name"), "DDIMScheduler");
}

TEST_F(SingleFileTest, Sdxl) {
  const SingleFile single = ReadFullSize(Xl());
  Expect(single, Xl());
  EXPECT_EQ(ParametersOf(single.configs.at("unet")), 2567463684);
  EXPECT_EQ(single.pipeline_class, "StableDiffusionXLPipeline");
  EXPECT_EQ(single.configs.at("scheduler").at("timestep_spacing"), "leading");
  EXPECT_EQ(single.padding.at("tokenizer"), "<|endoftext|>");
  EXPECT_EQ(single.padding.at("tokenizer_2"), "!");
  markers_ = {"v_pred", "ztsnr"};
  const json scheduler = ReadFullSize(Xl()).configs.at("scheduler");
  EXPECT_EQ(scheduler.at("prediction_type"), "v_prediction");
  EXPECT_EQ(scheduler.at("timestep_spacing"), "trailing");
}

TEST_F(SingleFileTest, SdxlsRefiner) {
  const WholeFile::Networks networks{kRefiner, Vae(true), {}, Text(1280, 32, "gelu", true)};
  const SingleFile single = ReadFullSize(networks);
  Expect(single, networks);
  EXPECT_EQ(single.pipeline_class, "StableDiffusionXLImg2ImgPipeline");
  EXPECT_EQ(single.index.at("force_zeros_for_empty_prompt"), false);
}

TEST_F(SingleFileTest, WhatTheyAreMadeForTellsByWhatTheUNetSees) {
  const auto of = [this](WholeFile::Networks networks, int64_t channels) {
    networks.unet["in_channels"] = channels;
    return ReadError(networks);
  };
  EXPECT_EQ(of(First(), 9), "a StableDiffusionInpaintPipeline");
  EXPECT_EQ(of(First(), 8), "a StableDiffusionInstructPix2PixPipeline");
  EXPECT_EQ(of(First(), 5), "a StableDiffusionDepth2ImgPipeline");
  EXPECT_THAT(of(First(), 7), HasSubstr("full.safetensors: its UNet sees 3 channels beside the latents"));
  EXPECT_EQ(of(Xl(), 9), "a StableDiffusionXLInpaintPipeline");
  EXPECT_EQ(of(Xl(), 8), "a StableDiffusionXLInstructPix2PixPipeline");
  EXPECT_THAT(of(Xl(), 5), HasSubstr("channels beside the latents"));
}

TEST_F(SingleFileTest, CosXlSaysItsNoiseLevels) {
  markers_ = {"edm_vpred.sigma_max", "v_pred"};
  WholeFile::Networks networks = Xl();
  networks.unet["in_channels"] = 8;
  const SingleFile single = ReadFullSize(networks);
  EXPECT_EQ(single.index.at("is_cosxl_edit"), true);
  const SamplerConfig sampler = SamplerConfig::From(Config(single.configs.at("scheduler"), "scheduler"));
  EXPECT_EQ(sampler.form, NetworkForm::kEdm);
  EXPECT_EQ(sampler.prediction, Prediction::kVelocity);
  EXPECT_EQ(sampler.sigma_data, 1);
}

TEST_F(SingleFileTest, NamesWhatIsNotServedSo) {
  markers_ = {"edm_mean"};
  EXPECT_THAT(ReadError(Xl()),
              HasSubstr("full.safetensors: marked \"edm_mean\" (Playground 2.5), which needs "));
  markers_ = {};
  WholeFile::Networks odd = First();
  odd.unet["block_out_channels"] = {336, 640, 1280, 1280};
  odd.unet["norm_num_groups"] = 16;
  EXPECT_THAT(ReadError(odd), HasSubstr("layers of 336 channels, no multiple of 32"));
  const fs::path lora = folder_ / "lora.safetensors";
  std::ofstream(lora, std::ios::binary)
      << SerializeSafeTensors({{"lora_unet_mid_block.lora_up.weight", at::zeros({1})}});
  try {
    SingleFile::Read(lora.string(), "");
    FAIL();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("lora.safetensors: no UNet (\"model.diffusion_model.…\") in it"));
  }
}

TEST_F(SingleFileTest, SizesThatTheFileSays) {
  const auto size = [this](const std::string& said) {
    return ReadFullSize(First(), false, {{"modelspec.resolution", said}})
        .configs.at("unet")
        .at("sample_size")
        .get<int64_t>();
  };
  EXPECT_EQ(size("768x768"), 96);
  for (const char* const said : {"768x512", "768", "x", "768x", "768x768 ", "-8x-8", "99999999x99999999"})
    EXPECT_EQ(size(said), 64) << said;
}

// Stable Diffusion 2 was published with both, in files that do not say which.
TEST_F(SingleFileTest, WhatStableDiffusion2PredictsIsGuessedByItsNorms) {
  Tensors file = WholeFile({Second(64), Vae(false), Text(1024, 1, "gelu"), {}}, WholeFile::Numbers::kNone)
                     .AsPublished(true);
  const fs::path path = folder_ / "second.safetensors";
  WriteSparseSafeTensors(path, file);
  EXPECT_EQ(SingleFile::Read(path.string(), "").configs.at("scheduler").at("prediction_type"), "epsilon");
  // Spread as in the 768-v models.
  const std::string norm = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";
  const at::Tensor spread = SeededNoise(1).Draw({320}).to(at::kHalf) * 0.2;
  const SafeTensorsHeader header = ParseSafeTensorsHeader(MappedFile(path.string()).bytes(), path.string());
  for (const SafeTensorsEntry& entry : header.entries) {
    if (entry.name != norm) continue;
    std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(header.data_offset + entry.begin));
    out.write(static_cast<const char*>(spread.data_ptr()), 640);
  }
  EXPECT_EQ(SingleFile::Read(path.string(), "").configs.at("scheduler").at("prediction_type"),
            "v_prediction");
}

TEST(SingleFileVocabulary, IsThatOfThePublishedFiles) {
  const std::string folder = std::string(MIND_TEST_DATA) + "/golden/vocab/clip_tokenizer";
  const auto published = ClipBpeTokenizer::Published("<|endoftext|>");
  const auto read = ClipBpeTokenizer::FromDirectory(folder);
  for (const char* const text :
       {"a photo of a cat", "Ünïcödé, émojis 🦉 & 'contractions' I'll", "", "日本語"})
    EXPECT_EQ(published->EncodePadded(text, 77), read->EncodePadded(text, 77)) << text;
  EXPECT_EQ(published->largest_id(), 49407);
  EXPECT_EQ(published->model_length(), 77U);
  EXPECT_EQ(ClipBpeTokenizer::Published("!")->EncodePadded("", 3), (std::vector<int64_t>{49406, 49407, 0}));
}

}  // namespace
}  // namespace mind::diffusion
