// The `mind` command as a person or a script uses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

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

TEST_F(CommandLine, ALabelledJobIsFoundFetchedAndDeleted) {
  cluster_.StartWorker("w");
  const auto text = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string whole = cluster_.directory() + "/whole.png", one = cluster_.directory() + "/one.png";
  Result result = Run({"generate", "a red apple", "--steps", "5", "--label", "user=ann", "--no-metadata",
                       "--ttl", "1h", "--detach"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::string id = result.out.substr(0, result.out.size() - 1);
  EXPECT_EQ(Run({"get", id, "-o", whole}).status, 0);
  EXPECT_EQ(Run({"image", id, "0", "-o", one}).status, 0);
  EXPECT_EQ(text(one), text(whole));
  EXPECT_THAT(text(one), Not(HasSubstr("parameters")));
  EXPECT_EQ(Run({"image", id, "1", "-o", one}).status, 4);
  EXPECT_THAT(Run({"jobs", "--label", "user=ann", "--state", "succeeded"}).out, HasSubstr(id));
  EXPECT_THAT(Run({"jobs", "--label", "user=bob"}).out, Not(HasSubstr(id)));
  EXPECT_EQ(Run({"delete", id}).out, id + " deleted\n");
  EXPECT_EQ(Run({"get", id}).status, 4);

  const std::string fine = cluster_.directory() + "/fine.jpg", coarse = cluster_.directory() + "/coarse.jpg";
  const std::vector<std::string> jpeg = {"generate", "a red apple", "--steps",  "5",
                                         "--seed",   "1",           "--format", "jpeg"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), jpeg.begin(), jpeg.end());
    return more;
  };
  EXPECT_EQ(Run(with({"-o", fine})).status, 0);
  EXPECT_EQ(Run(with({"-o", coarse, "--quality", "10"})).status, 0);
  EXPECT_LT(std::filesystem::file_size(coarse), std::filesystem::file_size(fine));
  EXPECT_EQ(Run({"generate", "x", "--ttl", "1h", "--deadline", "1h"}).status, 2);
}

TEST_F(CommandLine, ADryRunSaysWhatItWouldCost) {
  cluster_.StartWorker("w");
  Result result = Run({"generate", "a red apple", "--steps", "10", "--dry-run"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("model        emoji\n"), HasSubstr("evaluations  20\n"),
                                HasSubstr("0 jobs waiting")));
  EXPECT_EQ(Run({"generate", "x", "--steps", "0", "--dry-run"}).status, 2);
  EXPECT_THAT(Run({"--json", "jobs"}).out, "");
}

TEST_F(CommandLine, GenerateLivesThroughARestartOfTheServer) {
  cluster_.StartWorker("w");
  const std::string expected = cluster_.directory() + "/expected.png",
                    file = cluster_.directory() + "/file.png";
  const std::vector<std::string> flags = {"--steps", "200", "--seed", "3", "--preview-every", "0", "-o"};
  const auto generate = [&](const std::string& out) {
    std::vector<std::string> arguments = {std::string(MIND_BIN) + "/mind", "--server", cluster_.address(),
                                          "generate", "a red apple"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.push_back(out);
    return arguments;
  };
  Process alone(generate(expected), cluster_.directory() + "/alone");
  ASSERT_EQ(alone.Wait(), 0) << alone.Errors();
  Process process(generate(file), cluster_.directory() + "/broken");
  const auto client = cluster_.NewClient();
  Await("work in progress", [&] {
    const auto jobs = client->List(1, v1::JOB_STATE_RUNNING);
    return jobs.ok() && jobs->size() == 1 && jobs->front().steps_done() > 5;
  });
  cluster_.KillServer(SIGKILL);
  cluster_.StartServer();
  EXPECT_EQ(process.Wait(), 0) << process.Errors();
  EXPECT_EQ(process.Output(), file + "\n");
  const auto text = [](const std::string& path) {
    std::ifstream read(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(read), {});
  };
  EXPECT_EQ(text(file), text(expected));
  const auto jobs = client->List(10);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->size(), 2U);  // it is still the same job
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

TEST_F(CommandLine, TheDoctorSaysWhatIsWrongAndWhatToDo) {
  const std::vector<std::string> doctor = {"doctor", "--metrics", cluster_.metrics_address()};
  Result result = Run(doctor);
  EXPECT_EQ(result.status, 1) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("WRONG    models"), HasSubstr("WRONG    workers"),
                                HasSubstr("mind-worker with --models")));
  cluster_.StartWorker("w");
  result = Run(doctor);
  if (StoreIsPostgres()) {  // the tests' own does not wait for its disk
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.out, HasSubstr("WRONG    store    what is accepted may be lost in a power cut"));
    return;
  }
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("ok       server"), HasSubstr("ok       models"),
                                HasSubstr("1 ready"), HasSubstr("ok       version"), HasSubstr("disk"),
                                HasSubstr("asks nobody for a key"), Not(HasSubstr("WRONG"))));
  result = Run({"doctor", "--json"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr(R"({"level":"ok","subject":"workers","text":"1 ready","advice":""})"));
  // One of the places that are looked at is none.
  result = Run({"doctor", "--metrics", cluster_.address()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("WRONG    metrics"));
  cluster_.KillServer(SIGKILL);
  result = Run({"doctor"});
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.out, HasSubstr("cannot reach a server"));
}

}  // namespace
}  // namespace mind::testing
