#include "worker/training/class_diffusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/dropout.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::training {
namespace {

using testing::HasSubstr;

nlohmann::json Network() {
  return {{"base_channels", 8}, {"channel_mults", {1, 2}}, {"num_res_blocks", 1},
          {"time_emb_dim", 16}, {"num_classes", 3},        {"num_groups", 4},
          {"img_size", {8, 8}}, {"num_timesteps", 50},     {"dropout", 0.0}};
}

RunConfig RunOf(const nlohmann::json& network) {
  RunConfig run;
  run.network = network;
  return run;
}

// Two pictures of this many pixels each way.
PictureSet TwoPictures(int64_t extent = 8) {
  return {at::randint(256, {2, 3, extent, extent}, at::kByte), at::tensor({0, 2}, at::kLong)};
}

// What the directory says of its noise, against the reference's own state dicts.
TEST(ClassDiffusion, TheNoiseScheduleIsTheReports) {
  for (const std::string model : {"ddpm-classcond", "ddpm-uncond-cosine"}) {
    const std::string folder = std::string(MIND_TEST_DATA) + "/golden/models/" + model;
    nlohmann::json network = diffusion::ReadJsonFile(folder + "/config.json");
    const at::Tensor expected = diffusion::SafeTensors::Open(folder + "/model.safetensors").Get("betas");
    Parameters parameters({});
    const int64_t extent = network.at("img_size").at(0);
    const ClassDiffusion objective(RunOf(network), TwoPictures(extent), parameters);
    const support::TemporaryFolder written;
    objective.WriteModel(written.string(), parameters.tensors());
    const at::Tensor betas =
        diffusion::SafeTensors::Open((written / "model.safetensors").string()).Get("betas");
    EXPECT_TRUE(at::allclose(betas, expected.to(at::kFloat), 1e-6, 1e-9)) << model;
  }
}

TEST(ClassDiffusion, ANetworkThatKnowsNothingLosesTheNoisesVariance) {
  Parameters parameters({});
  const ClassDiffusion objective(RunOf(Network()), TwoPictures(), parameters);
  StepRandom random(1, 1, 0);
  // Its last layer is zero at the beginning: it predicts no noise at all.
  EXPECT_NEAR(objective.Loss({0, 1}, random).item<double>(), 1, 0.2);
}

TEST(ClassDiffusion, EveryParameterLearns) {
  Parameters parameters({});
  const ClassDiffusion objective(RunOf(Network()), TwoPictures(), parameters);
  for (const auto& [name, parameter] : parameters.tensors()) {
    const at::NoGradGuard no_grad;  // away from the zeros, behind which nothing is felt
    parameter.add_(at::randn(parameter.sizes()) * 0.1);
  }
  StepRandom random(1, 1, 0);
  objective.Loss({0, 1}, random).backward();
  for (const auto& [name, parameter] : parameters.tensors()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    EXPECT_GT(parameter.grad().abs().max().item<double>(), 0) << name;
  }
}

TEST(ClassDiffusion, WhatItWritesIsServedWithTheSameNumbers) {
  Parameters parameters({.seed = 4});
  const ClassDiffusion objective(RunOf(Network()), TwoPictures(), parameters);
  for (const auto& [name, parameter] : parameters.tensors()) {
    const at::NoGradGuard no_grad;
    parameter.add_(at::randn(parameter.sizes()) * 0.1);
  }
  const support::TemporaryFolder written;
  const std::string folder = written.string();
  objective.WriteModel(folder, parameters.tensors());
  const auto pipeline = diffusion::LoadPipeline(folder, {});
  EXPECT_EQ(pipeline->info().class_count, 3);
  const c10::InferenceMode inference;
  const diffusion::DenoiserInput input{
      .sample = at::randn({2, 3, 8, 8}),
      .timestep = at::tensor({3.0F, 17.0F}),
      .told = {{diffusion::Condition::kLabel, at::tensor({1, 2}, at::kLong)}}};
  const diffusion::UNet trained(diffusion::Scope(parameters),
                                diffusion::UNetConfig::FromReportDdpm(diffusion::Config(
                                    diffusion::ReadJsonFile(folder + "/config.json"), "config")));
  EXPECT_TRUE(at::equal(pipeline->denoiser()(input), trained(input)));
}

TEST(ClassDiffusion, DropoutIsForTrainingAlone) {
  const at::Tensor x = at::ones({1000});
  EXPECT_TRUE(at::equal(diffusion::ActiveDropout(x), x));
  StepRandom random(1, 1, 0);
  const diffusion::DropoutScope scope(0.25, random.generator());
  const at::Tensor dropped = diffusion::ActiveDropout(x);
  EXPECT_NEAR((dropped == 0).to(at::kFloat).mean().item<double>(), 0.25, 0.05);
  EXPECT_NEAR(dropped.mean().item<double>(), 1, 0.07);
}

TEST(ClassDiffusion, WhatCannotBeIsNamed) {
  const auto error = [](const std::string& key, const nlohmann::json& value) {
    nlohmann::json network = Network();
    network[key] = value;
    Parameters parameters({});
    try {
      ClassDiffusion(RunOf(network), TwoPictures(), parameters);
      return std::string();
    } catch (const diffusion::ModelError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(error("schedule", "cosine"), "");
  EXPECT_THAT(error("schedule", "quadratic"), HasSubstr("network: \"schedule\" is \"quadratic\""));
  EXPECT_THAT(error("schedule_high", 0.5), HasSubstr("\"schedule_high\""));
  EXPECT_THAT(error("dropout", 1), HasSubstr("\"dropout\""));
  EXPECT_THAT(error("num_timesteps", 1), HasSubstr("\"num_timesteps\""));
  EXPECT_THAT(error("img_size", {16, 16}),
              HasSubstr("for pictures of 16 pixels each way (img_size), the data has 8x8"));
  EXPECT_THAT(error("num_classes", 2), HasSubstr("the data has 3 classes, the network 2 (num_classes)"));
}

}  // namespace
}  // namespace mind::training
