// mind-train as a person uses it: it learns, it is killed, it goes on to the same bytes, and what it has
// learnt is served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/functional/cluster.h"
#include "tests/support/idx_files.h"
#include "tests/support/model_folder.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;

class Training : public ::testing::Test {
 protected:
  Training() { support::WriteIdx(folder_.path() + "/set", 60, 8, 3); }

  // The run's file, with `changes` put in.
  std::string RunFile(const std::string& changes = "") {
    const std::string path = folder_.path() + "/run-" + std::to_string(++files_) + ".json";
    std::ofstream(path) << R"({"data": {"format": "idx", "pictures": ")" << folder_.path()
                        << R"(/set-pictures", "labels": ")" << folder_.path() << R"(/set-labels"},
      "network": {"base_channels": 8, "channel_mults": [1, 2], "num_res_blocks": 1, "time_emb_dim": 16,
        "num_classes": 3, "num_groups": 4, "img_size": [8, 8], "num_timesteps": 50, "schedule": "cosine"},
      "steps": 120, "batch": 12, "learning_rate": 0.003, "ema_decay": 0.9, "ema_start": 0, "log_every": 5,
      "checkpoint_every": 10, "sample_every": 0, "sample_steps": 5, "sampler": "ddim")"
                        << changes << "}";
    return path;
  }
  std::vector<std::string> Command(const std::string& run, const std::string& out) const {
    return {
        std::string(MIND_BIN) + "/mind-train", run, "--out", folder_.path() + "/" + out, "--threads", "2"};
  }
  // Exit status and what it said.
  std::pair<int, std::string> Train(const std::string& run, const std::string& out) {
    Process process(Command(run, out), folder_.path() + "/output-" + std::to_string(++files_));
    const int status = process.Wait();
    return {status, process.Errors()};
  }
  std::string Bytes(const std::string& file) const {
    std::ifstream in(folder_.path() + "/" + file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The losses in a run's loss.csv.
  std::vector<double> Losses(const std::string& out) const {
    std::istringstream csv(Bytes(out + "/loss.csv"));
    std::vector<double> losses;
    std::string line;
    for (std::getline(csv, line); std::getline(csv, line);)
      losses.push_back(std::stod(line.substr(line.find(',') + 1)));
    return losses;
  }

  support::ModelFolder folder_;
  int files_ = 0;
};

TEST_F(Training, LearnsIsKilledAndGoesOnToTheSameBytes) {
  const std::string run = RunFile();
  const auto [status, said] = Train(run, "whole");
  ASSERT_EQ(status, 0) << said;
  const std::vector<double> losses = Losses("whole");
  ASSERT_EQ(losses.size(), 24U);
  EXPECT_GT(losses.front(), 0.7);
  EXPECT_LT(losses.back(), 0.6 * losses.front());
  EXPECT_THAT(Bytes("whole/loss.png"), HasSubstr("PNG"));
  EXPECT_THAT(Bytes("whole/samples/step-00000120.png"), HasSubstr("PNG"));

  for (int kill = 0; kill < 3; ++kill) {
    Process process(Command(run, "killed"), folder_.path() + "/killed-" + std::to_string(kill));
    const size_t before = Losses("killed").size();
    Await("some steps more", [&] { return Losses("killed").size() > before + 3; });
    process.Kill(SIGKILL);
    process.Wait();
  }
  const auto [again_status, again_said] = Train(run, "killed");
  ASSERT_EQ(again_status, 0) << again_said;
  EXPECT_THAT(again_said, ::testing::Not(HasSubstr("from step 0 ")));
  EXPECT_EQ(Bytes("killed/state.safetensors"), Bytes("whole/state.safetensors"));
  EXPECT_EQ(Bytes("killed/model/model.safetensors"), Bytes("whole/model/model.safetensors"));
  EXPECT_EQ(Losses("killed"), Losses("whole"));
}

TEST_F(Training, StopsWhenToldToAndWhatItHasLearntIsServed) {
  const std::string run = RunFile(R"(, "checkpoint_every": 100000, "steps": 100000)");
  Process process(Command(run, "stopped"), folder_.path() + "/stopped-output");
  Await("a start", [&] { return process.Errors().find("step 20 of") != std::string::npos; });
  process.Kill(SIGTERM);
  EXPECT_EQ(process.Wait(), 0) << process.Errors();
  EXPECT_THAT(process.Errors(), HasSubstr("stopped at step "));

  Cluster cluster;
  cluster.StartWorker("w", {"--models", folder_.path() + "/stopped/model"});
  v1::JobRequest request;
  request.mutable_spec()->set_class_label("2");
  request.mutable_spec()->set_steps(5);
  request.mutable_spec()->set_sampler("ddim");
  const auto job = cluster.NewClient()->Generate(request, {});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED) << job->error().message();
}

TEST_F(Training, SaysWhatIsWrong) {
  const auto said = [&](const std::string& changes) {
    const auto [status, text] = Train(RunFile(changes), "wrong");
    EXPECT_EQ(status, 1);
    return text;
  };
  EXPECT_THAT(said(R"(, "bacth": 7)"), HasSubstr("\"bacth\" is 7, which is not supported"));
  EXPECT_THAT(said(R"(, "batch": 0)"), HasSubstr("\"batch\" is 0"));
  EXPECT_THAT(said(R"(, "precision": "fp8")"), HasSubstr("supported: fp32, bf16"));
  EXPECT_THAT(
      said(
          R"(, "network": {"base_channels": 8, "channel_mults": [1], "num_groups": 4, "img_size": [16, 16]})"),
      HasSubstr("for pictures of 16 pixels each way (img_size), the data has 8x8"));
  EXPECT_THAT(said(R"(, "data": {"format": "jpeg"})"), HasSubstr("\"format\" is \"jpeg\""));
  ASSERT_EQ(Train(RunFile(R"(, "steps": 2)"), "changed").first, 0);
  const auto [status, text] = Train(RunFile(R"(, "batch": 6)"), "changed");
  EXPECT_EQ(status, 1);
  EXPECT_THAT(text, HasSubstr("of a run with another configuration"));
}

}  // namespace
}  // namespace mind::testing
