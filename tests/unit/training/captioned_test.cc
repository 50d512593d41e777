// The objectives on captioned pictures: they learn, and what they write is served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/autoencoder.h"
#include "worker/training/decoder.h"
#include "worker/training/text_diffusion.h"
#include "worker/training/trainer.h"
#include "worker/training/upscaling.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Captioned : public testing::Test {
 protected:
  // One-coloured discs on nothing.
  static CaptionedSet Discs(int64_t extent) {
    CaptionedSet set;
    const at::Tensor axis = at::arange(extent, at::kFloat) - static_cast<double>(extent) / 2;
    const at::Tensor inside =
        (axis.square().unsqueeze(0) + axis.square().unsqueeze(1) < static_cast<double>(extent * extent) / 9)
            .to(at::kByte);
    std::vector<at::Tensor> pictures;
    for (const auto& [red, green, blue] : {std::tuple(255, 0, 0), {0, 255, 0}, {0, 0, 255}, {255, 255, 0}}) {
      pictures.push_back(at::stack({inside * red, inside * green, inside * blue, inside * 255}));
    }
    set.pictures = at::stack(pictures);
    set.captions = {{"a red disc", "红色"}, {"a green disc"}, {"a blue disc"}, {"a yellow disc"}};
    return set;
  }

  static RunConfig Run(nlohmann::json network, int64_t steps) {
    RunConfig run;
    run.network = std::move(network);
    run.steps = run.learning_rate.steps = steps;
    run.learning_rate.peak = 3e-3;
    run.batch = 4;
    run.average = {.decay = 0.9, .start = 0};
    run.log_every = 5;
    run.checkpoint_every = steps;
    run.sample_every = 0;
    run.sample_steps = 3;
    return run;
  }
  static RunConfig AutoencoderRun(int64_t steps) {
    return Run({{"block_out_channels", {8, 16}},
                {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                {"norm_num_groups", 4},
                {"mid_block_add_attention", false}},
               steps);
  }
  static RunConfig TextRun(int64_t steps) {
    const std::string emoji = std::string(MIND_MODELS) + "/emoji";
    nlohmann::json unet = diffusion::ReadJsonFile(emoji + "/unet/config.json");
    unet["block_out_channels"] = {32, 32};
    unet["cross_attention_dim"] = 32;
    nlohmann::json text = diffusion::ReadJsonFile(emoji + "/text_encoder/config.json");
    text["hidden_size"] = 32;
    text["intermediate_size"] = 64;
    RunConfig run = Run({{"unet", unet},
                         {"text_encoder", text},
                         {"scheduler", diffusion::ReadJsonFile(emoji + "/scheduler/scheduler_config.json")},
                         {"vae", emoji + "/vae"},
                         {"tokenizer", emoji + "/tokenizer"},
                         {"mind", {{"default_steps", 3}}}},
                        steps);
    run.prompts = {"a red disc", "a blue disc", "a green disc"};
    return run;
  }

  static RunConfig UpscalingRun(int64_t steps) {
    const std::string emoji = std::string(MIND_MODELS) + "/emoji";
    nlohmann::json unet = diffusion::ReadJsonFile(emoji + "/unet/config.json");
    unet["block_out_channels"] = {32, 32};
    unet["down_block_types"] = {"DownBlock2D", "DownBlock2D"};
    unet["up_block_types"] = {"UpBlock2D", "UpBlock2D"};
    unet["addition_embed_type"] = nullptr;
    unet["in_channels"] = 7;
    unet["num_class_embeds"] = 11;
    RunConfig run =
        Run({{"unet", unet},
             {"scheduler", diffusion::ReadJsonFile(emoji + "/scheduler/scheduler_config.json")},
             {"low_res_scheduler", {{"_class_name", "DDPMScheduler"}, {"beta_schedule", "scaled_linear"}}},
             {"max_noise_level", 10},
             {"text_encoder", emoji + "/text_encoder"},
             {"vae", emoji + "/vae"},
             {"tokenizer", emoji + "/tokenizer"},
             {"mind", {{"default_steps", 2}, {"default_guidance", 1}}}},
            steps);
    run.crop = 8;
    return run;
  }

  // The first and the last loss.
  std::pair<double, double> Train(const RunConfig& run, Objective& objective, Parameters& parameters) const {
    Trainer trainer(run, {.folder = folder_.string(), .threads = 2, .report = nullptr}, objective,
                    parameters);
    trainer.Run(false);
    const LossLog log(folder_.string(), run.steps);
    return {log.rows().front().loss, log.rows().back().loss};
  }

  support::TemporaryFolder folder_;
};

TEST_F(Captioned, AnAutoencoderLearnsAndNormalisesItsLatents) {
  const RunConfig run = AutoencoderRun(60);
  Parameters parameters({});
  Autoencoder objective(run, Discs(16), parameters);
  const auto [first, last] = Train(run, objective, parameters);
  EXPECT_LT(last, 0.5 * first);
  const at::NoGradGuard no_grad;
  const diffusion::AutoencoderKl written = ReadAutoencoder((folder_ / "model").string(), at::kCPU);
  const at::Tensor latents =
      written.EncodeMoments(Discs(16).OnWhite({0, 1, 2, 3})).chunk(2, 1)[0].transpose(0, 1).flatten(1);
  EXPECT_LT(latents.mean(1).abs().max().item<double>(), 0.05);
  EXPECT_NEAR(latents.std(1).mean().item<double>(), 1, 0.05);
}

TEST_F(Captioned, ADecoderLearnsOnWhileItsLatentsStay) {
  RunConfig run = Run({{"vae", MIND_MODELS "/emoji/vae"}}, 30);
  run.learning_rate.peak = 3e-4;
  run.log_every = 1;
  run.crop = 3;
  Parameters parameters({});
  Decoder objective(run, Discs(16), parameters);
  const Tensors before = diffusion::ReadComponent(run.network.at("vae")).tensors;
  EXPECT_TRUE(at::equal(parameters.tensors().at("decoder.conv_in.weight"),
                        before.at("decoder.conv_in.weight").to(at::kFloat)));
  const auto [first, last] = Train(run, objective, parameters);
  EXPECT_LT(last, 0.8 * first);

  const Tensors after = diffusion::ReadComponent((folder_ / "model").string()).tensors;
  ASSERT_EQ(after.size(), before.size());
  int changed = 0;
  for (const auto& [name, tensor] : after) {
    if (at::equal(tensor, before.at(name))) continue;
    EXPECT_THAT(name, testing::StartsWith("decoder."));
    ++changed;
  }
  EXPECT_GT(changed, 10);
  EXPECT_NO_THROW(parameters.Restore(objective.ReadModel((folder_ / "model").string()), "model"));

  run.crop = 5;
  EXPECT_THROW(Decoder(run, Discs(16), parameters), diffusion::ModelError);
  run.crop = 0;
  EXPECT_THROW(Decoder(run, Discs(18), parameters), diffusion::ModelError);
  run.network = {{"vae", "/nope"}};
  EXPECT_THROW(Decoder(run, Discs(16), parameters), diffusion::ModelError);
}

TEST_F(Captioned, TextDiffusionLearnsAndIsServed) {
  const RunConfig run = TextRun(40);
  Parameters parameters({.embedding_deviation = 0.3});
  TextDiffusion objective(run, Discs(64), parameters);
  EXPECT_EQ(objective.count(), 4);
  const auto [first, last] = Train(run, objective, parameters);
  EXPECT_LT(last, 0.9 * first);
  const diffusion::ModelInfo info = diffusion::DescribeModel((folder_ / "model").string());
  EXPECT_EQ(info.default_steps, 3);
  EXPECT_TRUE(info.takes_prompt);
  EXPECT_TRUE(fs::exists(folder_ / "samples/step-00000040.png"));
}

TEST_F(Captioned, InBFloat16ItLearnsAsWell) {
  const auto losses = [this](const char* name, Precision precision) {
    RunConfig run = TextRun(40);
    run.precision = precision;
    run.log_every = 1;
    Parameters parameters({.embedding_deviation = 0.3});
    TextDiffusion objective(run, Discs(64), parameters);
    Trainer trainer(run, {.folder = (folder_ / name).string(), .threads = 2, .report = nullptr}, objective,
                    parameters);
    trainer.Run(false);
    for (const auto& [parameter, tensor] : parameters.tensors())
      EXPECT_EQ(tensor.dtype(), at::kFloat) << parameter;
    std::vector<double> values;
    const LossLog log((folder_ / name).string(), run.steps);
    for (const LossRow& row : log.rows()) values.push_back(row.loss);
    return values;
  };
  const std::vector<double> whole = losses("fp32", Precision::kFloat),
                            half = losses("bf16", Precision::kBFloat16);
  EXPECT_NE(half, whole);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(half[i], whole[i], 0.05 * whole.front()) << i;
}

TEST_F(Captioned, AnUpscalerLearnsAndIsServed) {
  const RunConfig run = UpscalingRun(40);
  Parameters parameters({.embedding_deviation = 0.1});
  Upscaling objective(run, Discs(64), parameters);
  const auto [first, last] = Train(run, objective, parameters);
  EXPECT_LT(last, 0.9 * first);
  const diffusion::ModelInfo info = diffusion::DescribeModel((folder_ / "model").string());
  EXPECT_EQ(info.enlargement, 4);
  EXPECT_EQ(info.max_noise_level, 10);
  EXPECT_TRUE(fs::exists(folder_ / "samples/step-00000040.png"));
}

TEST_F(Captioned, ARunStartsFromAModel) {
  const auto loss = [this](const std::string& name, int64_t steps, const std::string& start_from) {
    RunConfig run = TextRun(steps);
    run.start_from = start_from;
    run.log_every = 1;
    Parameters parameters({.embedding_deviation = 0.3});
    TextDiffusion objective(run, Discs(64), parameters);
    Trainer trainer(run, {.folder = (folder_ / name).string(), .threads = 1, .report = nullptr}, objective,
                    parameters);
    trainer.Run(false);
    return LossLog((folder_ / name).string(), run.steps).rows().front().loss;
  };
  const double fresh = loss("begun", 40, "");
  EXPECT_LT(loss("gone-on", 1, (folder_ / "begun/model").string()), 0.9 * fresh);
  EXPECT_THROW(loss("nowhere", 1, (folder_ / "nothing").string()), diffusion::ModelError);
  // Another shape.
  EXPECT_THROW(loss("other", 1, std::string(MIND_MODELS) + "/emoji"), diffusion::ModelError);
}

TEST_F(Captioned, AnAutoencoderGoesOnFromItsOwnModelOnly) {
  const RunConfig run = AutoencoderRun(60);
  Parameters parameters({});
  Autoencoder objective(run, Discs(16), parameters);
  Train(run, objective, parameters);
  Parameters again({});
  const Autoencoder same(run, Discs(16), again);
  const std::string model = (folder_ / "model").string();
  again.Restore(same.ReadModel(model), model);
  const at::Tensor before = parameters.tensors().at("encoder.conv_in.weight");
  EXPECT_LT((again.tensors().at("encoder.conv_in.weight") - before).abs().max().item<double>(), 0.1);
  // That one has layers there that do more than scale.
  EXPECT_THROW(same.ReadModel(std::string(MIND_TEST_DATA) + "/golden/models/sd1/vae"), diffusion::ModelError);
}

TEST_F(Captioned, TheSameStepsGiveTheSameNumbersInOneRunOrTwo) {
  const auto state = [this](const std::string& name) {
    std::ifstream file(folder_ / name / "state.safetensors", std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  for (const auto& [name, stops] :
       std::map<std::string, std::vector<int64_t>>{{"one", {6}}, {"two", {2, 6}}}) {
    for (const int64_t steps : stops) {
      RunConfig run = TextRun(steps);
      run.checkpoint_every = 2;
      Parameters parameters({.embedding_deviation = 0.3});
      TextDiffusion objective(run, Discs(64), parameters);
      Trainer trainer(run, {.folder = (folder_ / name).string(), .threads = 2, .report = nullptr}, objective,
                      parameters);
      trainer.Run(false);
    }
  }
  EXPECT_EQ(state("one"), state("two"));
}

TEST_F(Captioned, AFolderIsReadAndChecked) {
  const auto write = [this](const at::Tensor& pictures, const std::string& captions) {
    std::ofstream(folder_ / "pictures.safetensors", std::ios::binary)
        << diffusion::SerializeSafeTensors({{"pictures", pictures}});
    std::ofstream(folder_ / "captions.json") << captions;
  };
  const auto error = [this] {
    try {
      ReadCaptionedFolder(folder_.string());
      return std::string();
    } catch (const diffusion::ModelError& e) {
      return std::string(e.what());
    }
  };
  const at::Tensor two = at::zeros({2, 4, 8, 8}, at::kByte);
  write(two, R"({"captions": [["a"], ["b", "c"]]})");
  EXPECT_EQ(error(), "");
  EXPECT_TRUE(at::equal(ReadCaptionedFolder(folder_.string()).OnWhite({1}), at::ones({1, 3, 8, 8})));
  write(two, R"({"captions": [["a"]]})");
  EXPECT_THAT(error(), HasSubstr("must be a list of 2 lists"));
  write(two, R"({"captions": [["a"], []]})");
  EXPECT_THAT(error(), HasSubstr("one caption or more, found []"));
  write(at::zeros({2, 3, 8, 8}, at::kByte), R"({"captions": [["a"], ["b"]]})");
  EXPECT_THAT(error(), HasSubstr("\"pictures\" must be bytes [N, 4, H, W]"));
}

TEST_F(Captioned, WhatDoesNotFitIsNamed) {
  const auto error = [](const std::string& part, const nlohmann::json& value) {
    RunConfig run = TextRun(1);
    run.network[part] = value;
    Parameters parameters({});
    try {
      TextDiffusion(run, Discs(64), parameters);
      return std::string();
    } catch (const diffusion::ModelError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(error("vae", "/nope"), HasSubstr("\"vae\" is \"/nope\""));
  EXPECT_THAT(error("unet", 3), HasSubstr("\"unet\" is 3"));
  nlohmann::json text = TextRun(1).network.at("text_encoder");
  text["vocab_size"] = 100;
  EXPECT_THAT(error("text_encoder", text), HasSubstr("the text encoder knows those below 100"));
  Parameters parameters({});
  EXPECT_THROW(Autoencoder(AutoencoderRun(1), Discs(15), parameters), diffusion::ModelError);
}

}  // namespace
}  // namespace mind::training
