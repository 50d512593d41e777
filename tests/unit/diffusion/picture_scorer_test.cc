// Scorers: their gradients, where those lead, and that this is nobody else's business.
#include "worker/diffusion/pipelines/picture_scorer.h"

#include <ATen/Parallel.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_floyd.h"
#include "tests/support/tiny_scorers.h"
#include "tests/support/tiny_sd3.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

class PictureScorerTest : public testing::Test {
 protected:
  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string();
  }
  static void SetUpTestSuite() { at::set_num_threads(1); }

  void SetUp() override {
    for (const std::string name : {"classified", "scored"}) folder_.Add(name, "ddpm-cifar");
    folder_.Add("glide", "glide");
    folder_.Add("latents", "sd1");
    TinySd3::Write(folder_.path() + "/flow", Tokenizer());
    TinyScorers::WriteClassifier(folder_.path() + "/classified");
    for (const std::string name : {"scored", "glide", "latents", "flow"})
      TinyScorers::WriteClip(folder_.path() + "/" + name, Tokenizer());
    models_ = std::make_unique<ModelCache>(folder_.path(), ModelCache::Options{});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  std::unique_ptr<const PictureScorer> Load(const std::string& model, Prediction prediction) const {
    const ModelDirectory directory(folder_.path() + "/" + model);
    SamplerConfig sampler = directory.ReadSamplerConfig();
    sampler.prediction = prediction;
    sampler.clip = false;
    return PictureScorer::Load(directory, sampler, {});
  }

  static TrajectoryRequest Request(const std::string& model, double scale, const std::string& target) {
    TrajectoryRequest request;
    request.model = model;
    if (model == "glide") request.picture.prompt = "a photo of a cat";
    request.picture.scorer = {.scale = scale, .target = target};
    const bool latents = model == "latents" || model == "flow";
    if (latents) request.picture.prompt = "a photo of a cat";
    request.width = request.height = model == "flow" ? 32 : model == "glide" || latents ? 64 : 16;
    request.sampler = model == "flow" ? "euler" : "ddim";
    request.steps = 6;
    request.seed = 7;
    return request;
  }
  static Engine::Options Options() {
    return {.row_threads = 2, .checkpoint_interval = std::chrono::milliseconds(0)};
  }
  std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }

  mind::support::ModelFolder folder_;
  std::unique_ptr<ModelCache> models_;
};

// What one network is told of two rows.
DenoiserInput TwoRows(bool classifier) {
  const at::Tensor label = at::tensor({3, 8}, at::kLong);
  const at::Tensor text = SeededNoise(5).Draw({2, 8});
  DenoiserInput input{.sample = SeededNoise(4).Draw({2, 3, 16, 16}) * 0.5,
                      .timestep = at::tensor({250.0F, 600.0F})};
  if (classifier) {
    input.told.Set(Condition::kLabel, label);
  } else {
    input.told.Set(Condition::kPooled, text / text.norm(2, {1}, true));
  }
  return input;
}

TEST_F(PictureScorerTest, TheGradientIsWhatSmallChangesShow) {
  for (const bool classifier : {true, false}) {
    const auto scorer = Load(classifier ? "classified" : "scored", Prediction::kEpsilon);
    const c10::InferenceMode as_in_the_engine;
    const DenoiserInput input = TwoRows(classifier);
    const at::Tensor gradient = scorer->network()(input);
    ASSERT_EQ(gradient.sizes(), input.sample.sizes());
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const at::Tensor direction = SeededNoise(20 + seed).Draw({2, 3, 16, 16});
      const double step = 1e-3;
      DenoiserInput more = input, less = input;
      more.sample = input.sample + step * direction;
      less.sample = input.sample - step * direction;
      const at::Tensor shown =
          (scorer->network().Score(more).to(at::kDouble) - scorer->network().Score(less).to(at::kDouble)) /
          (2 * step);
      const at::Tensor told = (gradient * direction).sum({1, 2, 3}).to(at::kDouble);
      EXPECT_TRUE(at::allclose(told, shown, 5e-2, 2e-2)) << classifier << "\n" << told << "\n" << shown;
    }
  }
}

// Through the decoder, whole and in tiles; what is not kept of those makes no difference to speak of.
TEST_F(PictureScorerTest, TheGradientOfLatentsIsWhatSmallChangesShow) {
  const ModelDirectory directory(folder_.path() + "/latents");
  for (const int64_t tile : {16, 8}) {
    const auto scorer = PictureScorer::LoadDecoded(directory, directory.ReadSamplerConfig(), {}, tile);
    const c10::InferenceMode as_in_the_engine;
    DenoiserInput input = TwoRows(/*classifier=*/false);
    input.sample = SeededNoise(4).Draw({2, 4, 8, 16});
    const at::Tensor gradient = scorer->network()(input);
    ASSERT_EQ(gradient.sizes(), input.sample.sizes());
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const at::Tensor direction = SeededNoise(20 + seed).Draw(input.sample.sizes());
      const double step = 1e-2;
      DenoiserInput more = input, less = input;
      more.sample = input.sample + step * direction;
      less.sample = input.sample - step * direction;
      const at::Tensor shown =
          (scorer->network().Score(more).to(at::kDouble) - scorer->network().Score(less).to(at::kDouble)) /
          (2 * step);
      const at::Tensor told = (gradient * direction).sum({1, 2, 3}).to(at::kDouble);
      EXPECT_TRUE(at::allclose(told, shown, 5e-2, 1e-2)) << tile << "\n" << told << "\n" << shown;
    }
  }
}

TEST_F(PictureScorerTest, ARowsGradientIsItsOwn) {
  for (const bool classifier : {true, false}) {
    const auto scorer = Load(classifier ? "classified" : "scored", Prediction::kEpsilon);
    const DenoiserInput both = TwoRows(classifier);
    const at::Tensor gradient = scorer->network()(both);
    for (int64_t row = 0; row < 2; ++row) {
      const DenoiserInput alone{.sample = both.sample.narrow(0, row, 1),
                                .timestep = both.timestep.narrow(0, row, 1),
                                .told = both.told.Row(row)};
      EXPECT_TRUE(at::allclose(scorer->network()(alone)[0], gradient[row], 1e-3, 1e-4));
    }
  }
}

// Dhariwal & Nichol 2021, alg. 2: eps' = eps - sqrt(1 - abar) scale gradient, whatever the network predicts.
// The estimate of x0 then moves by sigma² / alpha; of a scorer that sees clean pictures, by sigma².
TEST_F(PictureScorerTest, APredictionOfAnyKindMovesAlike) {
  const at::Tensor x = SeededNoise(1).Draw({3, 16, 16}), answer = SeededNoise(2).Draw({3, 16, 16}),
                   gradient = SeededNoise(3).Draw({3, 16, 16});
  for (const Prediction prediction : {Prediction::kEpsilon, Prediction::kVelocity, Prediction::kSample}) {
    for (const std::string model : {"classified", "scored"}) {
      const auto scorer = Load(model, prediction);
      SamplerConfig config = ModelDirectory(folder_.path() + "/" + model).ReadSamplerConfig();
      config.prediction = prediction;
      config.clip = false;
      const double abar = AlphasCumprod(config)[400];
      const NoiseLevel level = NoiseLevel::Preserving(abar, 400);
      const at::Tensor by_x = 2.5 * scorer->ByX(400, gradient);
      const at::Tensor moved = scorer->Moved(answer, 400, by_x);
      const double by = 2.5 * level.sigma * level.sigma / (model == "classified" ? level.alpha : 1);
      const at::Tensor before = Estimate(config, answer, x, level).x0,
                       after = Estimate(config, moved, x, level).x0;
      EXPECT_TRUE(at::allclose(after - before, by * gradient, 1e-4, 1e-4));
      if (prediction == Prediction::kEpsilon && model == "classified") {
        EXPECT_TRUE(at::allclose(moved, answer - std::sqrt(1 - abar) * 2.5 * gradient, 1e-5, 1e-5));
      }
      const at::Tensor with_variance = scorer->Moved(at::cat({answer, x}), 400, by_x);
      EXPECT_TRUE(at::equal(with_variance, at::cat({moved, x})));
      EXPECT_TRUE(at::allclose(scorer->Seen(x, 400, answer), model == "classified" ? x : before, 1e-5, 1e-5));
    }
  }
}

TEST_F(PictureScorerTest, AFlowMovesAlike) {
  const at::Tensor x = SeededNoise(1).Draw({3, 16, 16}), answer = SeededNoise(2).Draw({3, 16, 16}),
                   gradient = SeededNoise(3).Draw({3, 16, 16});
  for (const bool inverted : {false, true}) {
    SamplerConfig config;
    config.form = NetworkForm::kFlow;
    config.flow.inverted = inverted;
    const auto scorer = PictureScorer::Load(ModelDirectory(folder_.path() + "/scored"), config, {});
    for (const double sigma : {1.0, 0.6, 0.01}) {
      const double timestep = 1000 * (inverted ? 1 - sigma : sigma);
      const NoiseLevel level{1 - sigma, sigma, timestep};
      const at::Tensor moved = scorer->Moved(answer, timestep, 2.5 * scorer->ByX(timestep, gradient));
      const at::Tensor before = Estimate(config, answer, x, level).x0,
                       after = Estimate(config, moved, x, level).x0;
      EXPECT_TRUE(at::allclose(after - before, 2.5 * sigma * sigma * gradient, 1e-4, 1e-4)) << sigma;
      EXPECT_TRUE(at::allclose(scorer->Seen(x, timestep, answer), before, 1e-5, 1e-5)) << sigma;
    }
  }
}

TEST_F(PictureScorerTest, PicturesFitBetterWhereTheyAreLed) {
  const std::shared_ptr<const Pipeline> model = models_->Get("scored");
  const c10::InferenceMode inference;
  const Scoring scoring =
      model->Condition(Request("scored", 1, "a photo of a dog").picture, {3, 16, 16}).scoring;
  const auto score = [&](double scale) {
    const auto made = Run(Request("scored", scale, "a photo of a dog"));
    EXPECT_EQ(made->Error(), "");
    const at::Tensor x = made->picture.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat) / 127.5 - 1;
    return scoring.scorer->network()
        .Score({.sample = x, .timestep = at::zeros({1}), .told = Told::Stack({&scoring.target})})
        .item<double>();
  };
  EXPECT_GT(score(20), score(0) + 0.1);
}

TEST_F(PictureScorerTest, FromAnyCheckpointThePictureComesOutTheSame) {
  for (const auto& [model, target] : std::map<std::string, std::string>{
           {"classified", "3"}, {"scored", "a dog"}, {"glide", ""}, {"latents", ""}, {"flow", ""}}) {
    TrajectoryRequest request = Request(model, 3, target);
    const auto whole = Run(request), plain = Run(Request(model, 0, ""));
    ASSERT_EQ(whole->Error() + plain->Error(), "");
    EXPECT_FALSE(at::equal(whole->picture, plain->picture)) << model;
    for (const int64_t step : {1, 4}) {
      request.checkpoint = whole->checkpoints.at(step);
      EXPECT_TRUE(at::equal(Run(request)->picture, whole->picture)) << model << " from step " << step;
    }
  }
}

TEST_F(PictureScorerTest, NeighboursMakeNoDifference) {
  std::vector<TrajectoryRequest> requests = {Request("classified", 2, "3"), Request("classified", 0, ""),
                                             Request("classified", 9, "8"), Request("classified", 2, "3")};
  requests.back().sampler = "heun";
  requests.push_back(Request("classified", 3, "5"));
  requests.back().sampler = "ddpm";  // whose mean is shifted
  requests.push_back(Request("latents", 40, ""));
  requests.push_back(Request("latents", 0, ""));
  Engine::Options wide = Options();
  wide.row_threads = 8;
  Engine engine(*models_, wide);
  std::vector<std::shared_ptr<Recorder>> together;
  for (const TrajectoryRequest& request : requests)
    engine.Submit(request, together.emplace_back(std::make_shared<Recorder>()));
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(together[i]->Wait(), Ending::kPicture) << i << together[i]->Error();
    EXPECT_TRUE(at::equal(together[i]->picture, Run(requests[i])->picture)) << i;
  }
}

TEST_F(PictureScorerTest, WhatCannotBeLedTowardsIsRefused) {
  EXPECT_EQ(models_->Get("classified")->info().scorer.class_count, 10);
  EXPECT_EQ(models_->Get("glide")->info().scorer.kind, ScorerKind::kText);
  for (const std::string target : {"", "10", "-1", "cat"})
    EXPECT_THAT(Run(Request("classified", 1, target))->Error(),
                HasSubstr("needs a class to lead to, 0 to 9"));
  TrajectoryRequest larger = Request("classified", 1, "3");
  larger.width = 32;
  EXPECT_THAT(Run(larger)->Error(), HasSubstr("sees pictures of 16x16 pixels only, not of 32x16"));
  EXPECT_THAT(Run(Request("scored", 1, ""))->Error(), HasSubstr("needs a text to lead to"));
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += " dog";
  EXPECT_THAT(Run(Request("scored", 1, long_text))->Error(), HasSubstr("too long: leave out"));
}

TEST_F(PictureScorerTest, AFolderThatIsNoScorerIsRefusedByWhatItSays) {
  const auto reason = [](const std::string& model, const std::string& config) {
    mind::support::ModelFolder folder;
    folder.Add("model", model);
    std::filesystem::create_directory(folder.path() + "/model/scorer");
    std::ofstream(folder.path() + "/model/scorer/config.json") << config;
    const ModelCache models(folder.path(), {});
    return models.rejected().empty() ? "" : models.rejected()[0].reason;
  };
  EXPECT_THAT(reason("ddpm-cifar", R"({"model_type": "siglip"})"),
              testing::AllOf(HasSubstr("scorer/config.json"), HasSubstr("model_type"), HasSubstr("siglip"),
                             HasSubstr("EncoderUNetModel")));
  EXPECT_THAT(reason("ddpm-cifar", R"({"_class_name": "EncoderUNetModel", "in_channels": 1})"),
              HasSubstr("in_channels"));
  EXPECT_THAT(reason("sd1", R"({"_class_name": "EncoderUNetModel"})"),
              HasSubstr("in_channels"));  // it would see latents
  EXPECT_THAT(reason("ncsnpp", R"({"model_type": "clip"})"),
              HasSubstr("a scorer leads flows and models that were trained on discrete noise levels only"));
  TinyFloyd::Write(folder_.path() + "/floyd");
  TinyScorers::WriteClip(folder_.path() + "/floyd", Tokenizer());
  const ModelCache models(folder_.path(), {});
  ASSERT_EQ(models.rejected().size(), 1U);
  EXPECT_THAT(models.rejected()[0].reason, HasSubstr("a IFPipeline takes no scorer"));
}

}  // namespace
}  // namespace mind::diffusion
