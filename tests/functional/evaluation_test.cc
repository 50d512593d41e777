// mind-eval through a running service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Evaluation : public ::testing::Test {
 protected:
  // Exit status, output and errors together.
  std::pair<int, std::string> Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {std::string(MIND_BIN) + "/mind-eval", "--server", cluster_.address()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, cluster_.directory() + "/eval-" + std::to_string(++runs_));
    const int status = process.Wait();
    return {status, process.Output() + process.Errors()};
  }

  Cluster cluster_;
  int runs_ = 0;
};

TEST_F(Evaluation, MakesASheetOfPromptsThroughTheService) {
  cluster_.StartWorker("w");
  const std::string prompts = cluster_.directory() + "/prompts.tsv",
                    sheet = cluster_.directory() + "/sheet.png";
  std::ofstream(prompts) << "a red apple\n一只猫\npizza\n";
  const auto [status, said] = Run({"--prompts", prompts, "--steps", "5", "--sheet", sheet, "--columns", "2"});
  EXPECT_EQ(status, 0) << said;
  EXPECT_THAT(said, HasSubstr("| the only model | 3 of 64x64 |"));
  EXPECT_GT(std::filesystem::file_size(sheet), 1000U);
}

TEST_F(Evaluation, SaysWhatIsMissing) {
  EXPECT_THAT(Run({}).second, HasSubstr("either --prompts, --pictures or --autoencoder is needed"));
  EXPECT_THAT(Run({"--pictures", "/nope"}).second, HasSubstr("/nope: no pictures in it"));
  EXPECT_THAT(Run({"--pictures", "/nope", "--reference", "/nope"}).second,
              HasSubstr("--reference needs --features or --classifier"));
  const std::string vae = MIND_MODELS "/emoji/vae";
  EXPECT_THAT(Run({"--autoencoder", vae}).second, HasSubstr("--autoencoder needs --reference"));
  EXPECT_THAT(Run({"--model", "emoji", "--pictures", "/nope"}).second, HasSubstr("--model needs --prompts"));
  EXPECT_THAT(Run({"--pictures", "/nope", "--verdicts", "/nope"}).second,
              HasSubstr("--verdicts needs --classifier"));
  const std::string prompts = cluster_.directory() + "/prompts.tsv";
  std::ofstream(prompts) << "a red apple\n";
  const auto [status, said] = Run({"--prompts", prompts});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(said, HasSubstr("\"a red apple\": no worker has offered a model yet"));
}

}  // namespace
}  // namespace mind::testing
