#include "worker/training/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunConfigTest : public testing::Test {
 protected:
  RunConfig From(nlohmann::json changes) const {
    nlohmann::json json = {{"data", nlohmann::json::object()}, {"network", nlohmann::json::object()}};
    json.update(changes);
    std::ofstream(folder_ / "run.json") << json;
    return RunConfig::From((folder_ / "run.json").string());
  }
  std::string Error(const nlohmann::json& changes) const {
    try {
      From(changes);
      return "";
    } catch (const diffusion::ModelError& e) {
      return e.what();
    }
  }

  support::TemporaryFolder folder_;
};

TEST_F(RunConfigTest, TheDefaultsAreTheReports) {
  const RunConfig run = From(nlohmann::json::object());
  EXPECT_EQ(run.kind, RunConfig::Kind::kClassDiffusion);
  EXPECT_EQ(run.steps, 800'000);
  EXPECT_EQ(run.batch, 128);
  EXPECT_EQ(run.learning_rate.peak, 2e-4);
  EXPECT_EQ(run.average.decay, 0.9999);
  EXPECT_EQ(run.log_every, 1000);
  EXPECT_EQ(run.checkpoint_every, 1000);
}

TEST_F(RunConfigTest, AnObjectiveTakesItsOwnKeysOnly) {
  const RunConfig run = From({{"objective", "decoder"},
                              {"crop", 8},
                              {"gradient_weight", 0.25},
                              {"perceptual_classifier", "eyes"},
                              {"perceptual_weight", 2}});
  EXPECT_EQ(run.kind, RunConfig::Kind::kDecoder);
  EXPECT_EQ(run.crop, 8);
  EXPECT_EQ(run.reconstruction.gradient_weight, 0.25);
  EXPECT_EQ(run.reconstruction.perceptual_classifier, "eyes");
  EXPECT_EQ(run.reconstruction.perceptual_weight, 2);
  EXPECT_THAT(
      Error({{"objective", "classifier"}, {"crop", 8}}),
      HasSubstr(
          "\"crop\" is 8, which is not supported; supported: by decoder, upscaling, not by classifier"));
  EXPECT_THAT(Error({{"kl_weight", 1}}), HasSubstr("by autoencoder, not by class_diffusion"));
  EXPECT_THAT(Error({{"colour", 1}}), HasSubstr("it is no key of a run"));
  EXPECT_THAT(Error({{"objective", "gan"}}),
              HasSubstr("supported: autoencoder, class_diffusion, classifier"));
}

TEST_F(RunConfigTest, NumbersHaveTheirRanges) {
  EXPECT_THAT(Error({{"batch", 0}}),
              HasSubstr("\"batch\" is 0, which is not supported; supported: 1 or more"));
  EXPECT_THAT(Error({{"ema_decay", 1}}), HasSubstr("0 to below 1"));
  EXPECT_THAT(Error({{"objective", "decoder"}, {"perceptual_weight", -1}}), HasSubstr("0 to 1000000"));
  EXPECT_THAT(Error({{"learning_rate", 0}}), HasSubstr("\"learning_rate\" is 0"));
  EXPECT_THAT(Error({{"precision", "fp16"}}), HasSubstr("fp32, bf16"));
}

TEST_F(RunConfigTest, WhatMakesAnotherRunIsInItsIdentity) {
  const std::string run = From({{"objective", "decoder"}}).Identity();
  EXPECT_EQ(From({{"objective", "decoder"}, {"log_every", 5}}).Identity(), run);
  for (const nlohmann::json& change : std::vector<nlohmann::json>{
           {{"seed", 2}}, {{"perceptual_classifier", "eyes"}}, {{"perceptual_weight", 2}}, {{"crop", 4}}}) {
    nlohmann::json changes = {{"objective", "decoder"}};
    changes.update(change);
    EXPECT_NE(From(changes).Identity(), run) << change;
  }
}

TEST_F(RunConfigTest, TheRunsThatShipAreRead) {
  int runs = 0;
  for (const auto& entry : fs::directory_iterator(MIND_MODELS "/../training")) {
    if (entry.path().extension() != ".json") continue;
    EXPECT_NO_THROW(RunConfig::From(entry.path().string())) << entry.path();
    ++runs;
  }
  EXPECT_GE(runs, 8);
}

}  // namespace
}  // namespace mind::training
