// The `mind` command as a person or a script uses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_split.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CommandLine : public ::testing::Test {
 protected:
  struct Result {
    int status;
    std::string out, err;
  };

  Result Run(std::vector<std::string> arguments) {
    setenv("MIND_SERVER", cluster_.address().c_str(), 1);
    std::vector<std::string> command = {std::string(MIND_BIN) + "/mind"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, cluster_.directory() + "/mind-" + std::to_string(++runs_));
    const int status = process.Wait();
    return {status, process.Output(), process.Errors()};
  }

  Cluster cluster_;
  int runs_ = 0;
};

TEST_F(CommandLine, GeneratesListsFetchesAndCancels) {
  cluster_.StartWorker("w");
  const std::string file = cluster_.directory() + "/apple.png";
  Result result = Run({"generate", "a red apple", "--seed", "1", "--steps", "10", "-o", file});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, file + "\n");
  EXPECT_TRUE(std::filesystem::file_size(file) > 1000);

  EXPECT_THAT(Run({"models"}).out, HasSubstr("emoji"));
  EXPECT_THAT(Run({"samplers"}).out, ::testing::AllOf(HasSubstr("ddim (default)"), HasSubstr("eta  ")));
  result = Run({"generate", "a blue apple", "--image", file, "--strength", "0.5", "--sampler", "ddim",
                "--set", "eta=0.5", "--steps", "10", "-o", cluster_.directory() + "/blue.png"});
  EXPECT_EQ(result.status, 0) << result.err;
  result = Run({"generate", "x", "--sampler", "ddim", "--set", "eta=7"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("7 given; it must be a number from 0 to 1"));
  EXPECT_EQ(Run({"generate", "x", "--set", "eta"}).status, 2);
  EXPECT_EQ(Run({"generate", "x", "--image", "/nowhere.png"}).status, 2);
  EXPECT_THAT(Run({"workers"}).out, HasSubstr("emoji*"));
  EXPECT_THAT(Run({"jobs"}).out, HasSubstr("a red apple"));

  result = Run({"generate", "a dog", "--steps", "1000", "--detach"});
  ASSERT_EQ(result.status, 0);
  const std::string id = result.out.substr(0, result.out.size() - 1);
  EXPECT_EQ(Run({"cancel", id}).status, 0);
  EXPECT_EQ(Run({"watch", id}).status, 7);

  result = Run({"generate", "two dogs", "-n", "2", "--steps", "5", "--detach"});
  const std::string pair = result.out.substr(0, result.out.size() - 1);
  const std::string name = cluster_.directory() + "/dogs.png";
  EXPECT_EQ(Run({"get", pair, "-o", name}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(cluster_.directory() + "/dogs-0.png"));
  EXPECT_TRUE(std::filesystem::exists(cluster_.directory() + "/dogs-1.png"));
}

TEST_F(CommandLine, PrintsJsonALine) {
  cluster_.StartWorker("w");
  const Result result =
      Run({"generate", "a star", "--steps", "3", "--json", "-o", cluster_.directory() + "/star.png"});
  EXPECT_EQ(result.status, 0);
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_GE(lines.size(), 3U);
  for (const std::string& line : lines) EXPECT_EQ(line.front(), '{');
  EXPECT_THAT(lines.back(), HasSubstr("JOB_STATE_SUCCEEDED"));
}

TEST_F(CommandLine, ExitStatusAndMessageSayWhatIsWrong) {
  EXPECT_EQ(Run({"generate", "x"}).status, 3);  // no worker yet
  cluster_.StartWorker("w");
  EXPECT_EQ(Run({}).status, 2);
  EXPECT_EQ(Run({"generate", "x", "--size", "large"}).status, 2);
  Result result = Run({"generate", "x", "--steps", "0"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("spec.steps: 0 given"));
  result = Run({"generate", "x", "--model", "nope"});
  EXPECT_EQ(result.status, 4);
  EXPECT_THAT(result.err, HasSubstr("known: emoji"));
  EXPECT_EQ(Run({"get", "job-nope"}).status, 4);
  EXPECT_EQ(Run({"generate", "x", "--steps", "1000", "--deadline", "300ms"}).status, 6);
  result = Run({"--server", "127.0.0.1:1", "models"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, HasSubstr("cannot reach a server at 127.0.0.1:1"));
  result = Run({"generate", "x", "--steps", "1000", "-o", "/nowhere/x.png"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no directory /nowhere"));
  EXPECT_EQ(Run({"generate", "x", "-n", "2", "-o", "-"}).status, 2);
  EXPECT_THAT(Run({"jobs"}).out, Not(HasSubstr("QUEUED")));  // neither was sent
}

TEST_F(CommandLine, TheModelThatIsClearlyMeantNeedsNoName) {
  cluster_.StartWorker("w", {"--models", MIND_MODELS});
  const std::string file = cluster_.directory() + "/x.png";
  Result result = Run({"generate", "a red apple", "--steps", "1", "-o", file});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("mind: model emoji-256"));
  result = Run({"generate", "a red apple", "--steps", "1", "--model", "emoji", "-o", file});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("mind: model")));
}

TEST_F(CommandLine, EveryProgramListsItsFlags) {
  for (const char* program : {"mind", "mind-server", "mind-worker", "mind-train", "mind-eval", "mind-inspect",
                              "mind-golden", "mind-trajectory"}) {
    Process process({std::string(MIND_BIN) + "/" + program, "--help"}, cluster_.directory() + "/help");
    EXPECT_EQ(process.Wait(), 0) << program;
    EXPECT_THAT(process.Output(), AllOf(HasSubstr("Usage: " + std::string(program)), HasSubstr("--version")));
  }
  Process server({std::string(MIND_BIN) + "/mind-server", "--help"}, cluster_.directory() + "/help");
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_THAT(server.Output(), AllOf(HasSubstr("--max-queue N"), HasSubstr("environment MIND_MAX_QUEUE"),
                                     HasSubstr("default 1000")));
}

}  // namespace
}  // namespace mind::testing
