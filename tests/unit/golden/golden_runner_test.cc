// The golden runner itself: a record that is not replayed to the last tensor, draw and call fails.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Tensors = std::map<std::string, at::Tensor>;

// A golden directory of one case, to be damaged.
class GoldenRunner : public ::testing::Test {
 protected:
  GoldenRunner() {
    std::string pattern = (fs::temp_directory_path() / "golden-runner-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    fs::create_directories(directory_ / "schedulers");
    for (const char* extension : {".json", ".safetensors"}) {
      const std::string file = std::string("schedulers/ddpm_fixed_large") + extension;
      fs::copy_file(golden() / file, directory_ / file);
    }
  }
  ~GoldenRunner() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  static fs::path golden() { return fs::path(MIND_TEST_DATA) / "golden"; }

  // Makes another record of a record.
  void Damage(const std::string& file, const std::function<void(Tensors&)>& damage) const {
    Tensors tensors = SafeTensors::Open((directory_ / file).string()).tensors();
    damage(tensors);
    Write(file, SerializeSafeTensors(tensors));
  }
  void DamageSampler(const std::function<void(Tensors&)>& damage) const {
    Damage("schedulers/ddpm_fixed_large.safetensors", damage);
  }
  void Write(const std::string& file, const std::string& text) const {
    const std::string whole = (directory_ / file).string() + ".new";
    std::ofstream(whole, std::ios::binary) << text;  // beside the old, which may still be mapped
    fs::rename(whole, directory_ / file);
  }

  Report Run() const {
    Report report;
    RunAllCases({.directory = directory_}, report);
    return report;
  }

  fs::path directory_;
};

at::Tensor OneMore(const at::Tensor& rows) {
  return at::cat({rows, rows.slice(0, -1)});
}

TEST_F(GoldenRunner, AWholeRecordPasses) {
  const Report report = Run();
  EXPECT_THAT(report.failures(), IsEmpty());
  EXPECT_TRUE(report.ok());
}

TEST_F(GoldenRunner, AMisspeltTensorIsNamed) {
  DamageSampler([](Tensors& tensors) {
    tensors["pred_orignal_sample"] = tensors.at("pred_original_sample");
    tensors.erase("pred_original_sample");
  });
  const Report report = Run();
  EXPECT_THAT(report.failures(), ElementsAre(AllOf(HasSubstr("schedulers/ddpm_fixed_large"),
                                                   HasSubstr("used by nothing: pred_orignal_sample"))));
  EXPECT_FALSE(report.ok());
}

TEST_F(GoldenRunner, AMisspeltOutputOfANetworkIsNamed) {
  for (const char* folder : {"components", "models"}) fs::create_directory(directory_ / folder);
  fs::copy(golden() / "models/eps-probe", directory_ / "models/eps-probe", fs::copy_options::recursive);
  const std::string record = "components/eps-probe.vae.safetensors";
  fs::copy_file(golden() / record, directory_ / record);
  Damage(record, [](Tensors& tensors) {
    tensors["out.momnts"] = tensors.at("out.moments");
    tensors.erase("out.moments");
  });
  Write(
      "components/index.json",
      R"([{"name": "eps-probe.vae", "model": "models/eps-probe/vae", "outputs": {"decoded": [2, 3, 16, 16]}}])");
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("used by nothing: out.momnts")));
  Write(
      "components/index.json",
      R"([{"name": "eps-probe.vae", "model": "models/eps-probe/vae", "outputs": {"moments": [2, 8, 8, 8]}}])");
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("the record lacks \"out.moments\"")));
}

TEST_F(GoldenRunner, AnInputThatNobodyUsesIsNotSupported) {
  DamageSampler([](Tensors& tensors) { tensors["in.control"] = at::ones({2}); });
  const Report report = Run();
  EXPECT_THAT(report.unsupported(), ElementsAre(HasSubstr("in.control")));
  EXPECT_FALSE(report.ok());
}

TEST_F(GoldenRunner, ADrawThatNobodyUsesFails) {
  DamageSampler([](Tensors& tensors) {
    tensors["noise"] = OneMore(tensors.at("noise"));
    tensors["noise_step"] = OneMore(tensors.at("noise_step"));
  });
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("1 recorded draws of call")));
}

TEST_F(GoldenRunner, ADrawThatIsNotRecordedFails) {
  DamageSampler([](Tensors& tensors) {
    for (const char* name : {"noise", "noise_step"}) tensors[name] = tensors.at(name).slice(0, 1);
  });
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("the sampler draws noise in call 0")));
}

TEST_F(GoldenRunner, AnEvaluationTooManyFails) {
  DamageSampler(
      [](Tensors& tensors) { tensors["model_inputs"] = tensors.at("model_inputs").slice(0, 0, -1).clone(); });
  EXPECT_THAT(Run().failures(),
              ElementsAre(AllOf(HasSubstr("the reference takes"), HasSubstr("we take more"))));
}

TEST_F(GoldenRunner, AnEvaluationTooFewFails) {
  DamageSampler([](Tensors& tensors) { tensors["model_inputs"] = OneMore(tensors.at("model_inputs")); });
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("evaluations, we take ")));
}

TEST_F(GoldenRunner, ACaseWithoutItsRecordFails) {
  fs::remove(directory_ / "schedulers/ddpm_fixed_large.safetensors");
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("ddpm_fixed_large.safetensors")));
}

TEST_F(GoldenRunner, ARecordWithoutItsCaseFails) {
  fs::remove(directory_ / "schedulers/ddpm_fixed_large.json");
  EXPECT_THAT(Run().failures(), ElementsAre(AllOf(HasSubstr("schedulers/ddpm_fixed_large"),
                                                  HasSubstr("without the JSON file"))));
}

TEST_F(GoldenRunner, ACaseThatOnlyTheIndexHasFails) {
  Write("schedulers/index.json", R"([{"name": "ddpm_fixed_large"}, {"name": "ddpm_gone"}])");
  EXPECT_THAT(Run().failures(),
              ElementsAre(AllOf(HasSubstr("schedulers/ddpm_gone"), HasSubstr("index.json"))));
}

TEST_F(GoldenRunner, FewerCasesThanTheManifestSaysFail) {
  Write("manifest.json", R"({"schedulers": 1})");
  EXPECT_TRUE(Run().ok());
  Write("manifest.json", R"({"schedulers": 2, "tokenizers": 3})");
  EXPECT_THAT(Run().failures(), ElementsAre(HasSubstr("schedulers: 1 cases, where manifest.json says 2"),
                                            HasSubstr("tokenizers: 0 cases, where manifest.json says 3")));
}

TEST_F(GoldenRunner, WhatIsNotSupportedIsNoSuccess) {
  fs::create_directory(directory_ / "e2e");
  Write("e2e/later.json", R"({"pipeline": "PipelineOfTheFuture", "model": "models/later"})");
  const Report report = Run();
  EXPECT_THAT(report.unsupported(), ElementsAre(HasSubstr("PipelineOfTheFuture")));
  EXPECT_THAT(report.failures(), IsEmpty());
  EXPECT_FALSE(report.ok());
}

TEST_F(GoldenRunner, AFolderThatNoSuiteReplaysIsNamed) {
  fs::create_directory(directory_ / "sounds");
  const Report report = Run();
  EXPECT_THAT(report.unsupported(), ElementsAre(HasSubstr("sounds")));
  EXPECT_FALSE(report.ok());
}

TEST_F(GoldenRunner, AnEmptyDirectoryIsNoSuccess) {
  fs::remove_all(directory_ / "schedulers");
  EXPECT_FALSE(Run().ok());
}

}  // namespace
}  // namespace mind::diffusion
