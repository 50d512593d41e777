// What scorers lead to, against numbers recorded from the references (tests/reference/record_scorers.py).
#include <ATen/Parallel.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/pipelines/picture_scorer.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

const fs::path& Records() {
  static const fs::path* const path = new fs::path(fs::path(MIND_TEST_DATA) / "scorers");
  return *path;
}

class ScorerRecords : public testing::Test {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }

  // A golden model with a recorded scorer; its name.
  std::string Add(const std::string& model, const std::string& scorer) {
    const std::string name = model + "-" + scorer;
    if (fs::exists(folder_.path() + "/" + name)) return name;
    folder_.Add(name, model);
    folder_.AddScorer(name, scorer);
    return name;
  }
  std::unique_ptr<const PictureScorer> Load(const std::string& model, const std::string& scorer) {
    const ModelDirectory directory(folder_.path() + "/" + Add(model, scorer));
    const SamplerConfig sampler =
        model == "glide" ? GlideSampler(directory.ComponentConfig("base")) : directory.ReadSamplerConfig();
    return model == "sd1" ? PictureScorer::LoadDecoded(directory, sampler, {}, /*tile=*/8)
                          : PictureScorer::Load(directory, sampler, {});
  }
  // The largest difference is no more than so much of the largest number.
  static void ExpectNear(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                         const std::string& what) {
    ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
    EXPECT_LT((actual - expected).abs().max().item<double>(), tolerance * expected.abs().max().item<double>())
        << what;
  }

  mind::support::ModelFolder folder_;
  const SafeTensors numbers_ = SafeTensors::Open((Records() / "numbers.safetensors").string());
};

TEST_F(ScorerRecords, GradientsAreTheReferences) {
  const auto gradient = [&](const std::string& model, const std::string& scorer, const at::Tensor& x,
                            const Told& told, const at::Tensor& timestep) {
    const auto network = Load(model, scorer);
    const c10::InferenceMode as_in_the_engine;
    return network->network()({.sample = x, .timestep = timestep, .told = told});
  };
  const at::Tensor x = numbers_.Get("clip.x"), text = numbers_.Get("clip.text").unsqueeze(0);
  ExpectNear(gradient("ddpm-cifar", "clip", x, {{Condition::kPooled, text.expand({2, -1})}}, at::zeros({2})),
             numbers_.Get("clip.gradient"), 1e-4, "clip");
  ExpectNear(gradient("ddpm-cifar", "classifier", numbers_.Get("classifier.x"),
                      {{Condition::kLabel, numbers_.Get("classifier.label")}}, numbers_.Get("classifier.t")),
             numbers_.Get("classifier.gradient"), 1e-4, "classifier");
  ExpectNear(gradient("glide", "noised_clip", numbers_.Get("noised_clip.x"),
                      {{Condition::kPooled, numbers_.Get("noised_clip.text").unsqueeze(0).expand({2, -1})}},
                      numbers_.Get("noised_clip.t")),
             numbers_.Get("noised_clip.gradient"), 1e-4, "noised clip");
  ExpectNear(gradient("sd1", "clip", numbers_.Get("latents.x"), {{Condition::kPooled, text}}, at::zeros({1})),
             numbers_.Get("latents.gradient"), 1e-4, "latents");
}

TEST_F(ScorerRecords, TextsAreEmbeddedAsTheReferences) {
  const std::string name = Add("sd1", "clip");
  ModelCache models(folder_.path(), {});
  const std::shared_ptr<const Pipeline> pipeline = models.Get(name);
  const c10::InferenceMode as_in_the_engine;
  PictureRequest request{.prompt = "a photo of a dog"};
  request.scorer.scale = 1;
  ExpectNear(pipeline->Condition(request, {4, 8, 8}).scoring.target[Condition::kPooled],
             numbers_.Get("clip.text"), 1e-4, "text");
}

// Step by step, by the samplers whose means are shifted and by those whose predictions are moved.
TEST_F(ScorerRecords, TrajectoriesAreTheReferences) {
  const nlohmann::json record = nlohmann::json::parse(std::ifstream(Records() / "cases.json"));
  for (const nlohmann::json& one : record.at("cases")) Add(one.at("model"), one.at("scorer"));
  ModelCache models(folder_.path(), {});
  ASSERT_TRUE(models.rejected().empty()) << models.rejected()[0].reason;
  const Engine::Options options{.checkpoint_interval = std::chrono::milliseconds(0)};
  ASSERT_EQ(record.at("cases").size(), 7U);
  for (const nlohmann::json& one : record.at("cases")) {
    const std::string name = one.at("name");
    TrajectoryRequest request;
    request.model = Add(one.at("model"), one.at("scorer"));
    request.picture.prompt = one.value("prompt", "");
    request.picture.guidance = one.value("guidance", 1.0);
    request.picture.scorer = {.scale = one.at("scale"), .target = one.at("target")};
    request.width = request.height = one.at("side");
    request.sampler = one.at("sampler");
    request.steps = record.at("steps");
    request.seed = record.at("seed");
    const auto made = MadeAlone(models, options, request);
    ASSERT_EQ(made->Error(), "") << name;
    const at::Tensor x = numbers_.Get(name + ".x");
    // There is none after the last step, and what a later stage has is not looked at.
    ASSERT_GE(static_cast<int64_t>(made->checkpoints.size()), request.steps - 1) << name;
    for (const auto& [step, bytes] : made->checkpoints) {
      if (step < request.steps)
        ExpectNear(SafeTensors::Parse(bytes, "checkpoint").Get("x"), x[step - 1], 1e-3,
                   name + ", step " + std::to_string(step));
    }
  }
}

}  // namespace
}  // namespace mind::diffusion
