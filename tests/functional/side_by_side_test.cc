// Pictures of several prompts and models, made side by side in one worker: each is what it is alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/functional/cluster.h"
#include "tests/support/model_folder.h"

namespace mind::testing {
namespace {

constexpr char kTokenizer[] = "models/sd1/tokenizer";

v1::JobRequest Asked(const std::string& model, const std::string& prompt) {
  v1::JobRequest request;
  v1::ImageSpec& spec = *request.mutable_spec();
  spec.set_model(model);
  spec.set_prompt(prompt);
  spec.set_width(32);
  spec.set_height(32);
  spec.set_steps(6);
  spec.set_seed(3);
  return request;
}

// Of one picture each: what they are one after the other, and all at once.
void ExpectTheSameAlone(client::Client& client, const std::vector<v1::JobRequest>& requests) {
  std::vector<std::map<uint32_t, std::string>> alone;
  for (const v1::JobRequest& request : requests)
    alone.push_back(PicturesOf(client, CreateJob(client, request)));
  std::vector<std::string> jobs;
  for (const v1::JobRequest& request : requests) jobs.push_back(CreateJob(client, request));
  for (size_t i = 0; i < jobs.size(); ++i) {
    ASSERT_EQ(alone[i].size(), 1U) << requests[i].spec().prompt();
    EXPECT_EQ(PicturesOf(client, jobs[i]), alone[i]) << requests[i].spec().prompt();
    for (size_t other = 0; other < i; ++other)
      EXPECT_NE(alone[i], alone[other]) << requests[i].spec().prompt() << requests[other].spec().prompt();
  }
}

struct Prompted {
  const char* name;
  const char* make;                  // the program, with what it is told behind the directory
  std::vector<const char*> prompts;  // as long as the small encoders read, and short
};

// "一只猫", and longer.
const Prompted kPrompted[] = {
    {"z_image",
     "zimage",
     {"a cat",
      "a photo of a cat that sits on a chair beside a large window, and looks out at the rain in the street",
      "\u4e00\u53ea\u732b",
      "\u4e00\u53ea\u732b\u5750\u5728\u7a97\u8fb9\u7684\u6905\u5b50\u4e0a\uff0c\u770b\u7740\u5916\u9762\u7684"
      "\u96e8"
      "\u548c\u8857\u4e0a\u7684\u4eba"}},
    {"qwen_image",
     "qwen_image",
     {"a cat",
      "a photo of a cat that sits on a chair beside a large window, and looks out at the rain in the street",
      "\u4e00\u53ea\u732b",
      "\u4e00\u53ea\u732b\u5750\u5728\u7a97\u8fb9\u7684\u6905\u5b50\u4e0a\uff0c\u770b\u7740\u5916\u9762\u7684"
      "\u96e8"
      "\u548c\u8857\u4e0a\u7684\u4eba"}},
    {"klein", "flux2", {"a", "a cat, a dog", "\u732b", "\u4e00\u53ea\u767d\u732b"}},
    {"flux",
     "flux ",
     {"a", "a cat a cat a cat a cat", "\u732b", "\u4e00\u53ea\u732b\u5750\u7740\u770b\u96e8"}},
    {"sd3",
     "sd3 ",
     {"a", "a cat BREAK a cat BREAK a cat", "\u732b", "\u4e00\u53ea\u732b\u5750\u7740\u770b\u96e8"}},
};

class SideBySide : public ::testing::TestWithParam<Prompted> {};

// Short and long, in English and in Chinese.
TEST_P(SideBySide, PromptsOfDifferentLengthMakeWhatEachMakesAlone) {
  const support::ModelFolder folder;
  const std::string family = GetParam().make;
  const bool reads_clip = family.ends_with(' ');
  const std::string tokenizer = reads_clip ? (support::ModelFolder::Golden() / kTokenizer).string() : "";
  const std::string make =
      absl::StrCat(MIND_BIN, "/make-tiny ", reads_clip ? family.substr(0, family.size() - 1) : family, " ",
                   folder.path(), "/m ", tokenizer);
  ASSERT_EQ(std::system(make.c_str()), 0) << make;
  Cluster cluster;
  cluster.StartWorker("w", {"--models", folder.path()});
  std::vector<v1::JobRequest> requests;
  for (const char* const prompt : GetParam().prompts) requests.push_back(Asked("m", prompt));
  ExpectTheSameAlone(*cluster.NewClient(), requests);
}

INSTANTIATE_TEST_SUITE_P(All, SideBySide, ::testing::ValuesIn(kPrompted),
                         [](const auto& info) { return std::string(info.param.name); });

// Of a process's memory, bytes that are its own: what it maps of files is not.
int64_t OwnMemory(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  int64_t kilobytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:") &&
        absl::SimpleAtoi(line.substr(8, line.size() - 8 - std::string(" kB").size()), &kilobytes))
      break;
  }
  return kilobytes * 1024;
}

// Z-Image and FLUX.2 klein, whose Qwen 3 is the same and nearly all of either here.
TEST(SideBySideModels, ThatShareTheirEncoderHoldItOnce) {
  constexpr int64_t kTokens = int64_t{2} << 20, kWidth = 16;  // of what make-tiny calls wordy
  constexpr int64_t kEncoder = kTokens * kWidth * static_cast<int64_t>(sizeof(float));  // 128 MiB
  const support::ModelFolder folder, alone;
  const std::vector<std::string> models = {absl::StrCat("zimage ", folder.path(), "/z wordy"),
                                           absl::StrCat("flux2 ", folder.path(), "/klein distilled-wordy"),
                                           absl::StrCat("zimage ", alone.path(), "/z wordy")};
  for (const std::string& model : models) {
    const std::string make = absl::StrCat(MIND_BIN, "/make-tiny ", model);
    ASSERT_EQ(std::system(make.c_str()), 0) << make;
  }
  struct Use {
    double weights;
    int64_t memory;
  };
  const auto use_of = [](const support::ModelFolder& of, const std::vector<v1::JobRequest>& requests) -> Use {
    Cluster cluster;
    cluster.StartWorker("w", {"--models", of.path()});
    ExpectTheSameAlone(*cluster.NewClient(), requests);
    return {cluster.WorkerMetric("w", "mind_worker_weight_bytes"), OwnMemory(cluster.worker("w").pid())};
  };
  const Use one = use_of(alone, {Asked("z", "a cat"), Asked("z", "\u4e00\u53ea\u732b")});
  const Use both = use_of(folder, {Asked("z", "a cat"), Asked("klein", "a cat"), Asked("z", "\u732b")});
  std::printf(
      "an encoder of %.0f MiB: weights %.1f MiB with one model, %.1f with two; memory %.0f MiB and %.0f\n",
      static_cast<double>(kEncoder) / 0x1p20, one.weights / 0x1p20, both.weights / 0x1p20,
      static_cast<double>(one.memory) / 0x1p20, static_cast<double>(both.memory) / 0x1p20);
  EXPECT_GE(one.weights, kEncoder);
  EXPECT_LT(both.weights - one.weights, 0.01 * kEncoder);
  EXPECT_GE(one.memory, kEncoder);
  EXPECT_LT(both.memory - one.memory, kEncoder / 2);
}

}  // namespace
}  // namespace mind::testing
