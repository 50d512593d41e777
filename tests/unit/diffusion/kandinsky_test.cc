// Kandinsky 2.2 in small, through the engine: what records do not say. Its numbers are checked against
// recorded ones by mind-golden.
#include "worker/diffusion/pipelines/kandinsky.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_kandinsky.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/kandinsky_prior.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kDecoder[] = "decoder", kPainter[] = "painter", kCombined[] = "combined";

class Kandinsky : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    Write(Path(kDecoder), {});
    Write(Path(kPainter), {.paints = true});
    Write(Path(kCombined), {.combined = true});
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static fs::path Path(const std::string& name) { return fs::path(folder_->path()) / name; }
  static void Write(const fs::path& model, const TinyKandinskyOptions& options) {
    TinyKandinsky::Write(model.string(),
                         (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string(), options);
  }

  static TrajectoryRequest Request(const std::string& model = kDecoder, int64_t steps = 4) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = 4;
    request.width = 32;
    request.height = 24;
    request.sampler = "ddpm";
    request.steps = steps;
    request.strength = 1;
    request.seed = 7;
    if (model == kPainter) {
      request.source = "stripes";
      request.mask = "half";
    }
    return request;
  }

  // So many rows at a time that several pictures share a batch.
  static Engine::Options Options() {
    return {.row_threads = 8,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string& file) {
              if (file == "black") return at::zeros({24, 32, 3}, at::kByte);
              if (file == "half") {
                at::Tensor half = at::zeros({24, 32, 3}, at::kByte);
                half.narrow(1, 16, 16).fill_(255);
                return half;
              }
              return at::arange(24 * 32 * 3, at::kFloat).remainder(251).to(at::kByte).view({24, 32, 3});
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  // Why a model in small is refused after a change to it.
  static std::string Refusal(const std::function<void(const fs::path& model)>& change) {
    const mind::support::ModelFolder folder;
    const fs::path model = fs::path(folder.path()) / "model";
    Write(model, {});
    change(model);
    try {
      DescribeModel(model.string());
      LoadPipeline(model.string(), {});
    } catch (const ModelError& e) {
      return e.what();
    }
    return "";
  }
  static std::string Refusal(const std::string& file, const nlohmann::json& changes) {
    return Refusal([&](const fs::path& model) {
      nlohmann::json config = ReadJsonFile((model / file).string());
      config.update(changes);
      std::ofstream(model / file) << config;
    });
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* Kandinsky::folder_ = nullptr;
ModelCache* Kandinsky::models_ = nullptr;

const char* const kKandinskyModels[] = {kDecoder, kPainter, kCombined};

TEST_F(Kandinsky, SaysWhatItTakes) {
  const ModelInfo info = models_->Get(kDecoder)->info();
  EXPECT_TRUE(info.takes_prompt && info.takes_negative_prompt && info.takes_prior_guidance);
  EXPECT_TRUE(info.takes_source && !info.needs_mask && !info.varies);
  EXPECT_EQ(info.size_multiple, 4);
  EXPECT_EQ(info.default_width, 32);
  EXPECT_EQ(info.default_guidance, 4);
  EXPECT_EQ(info.later_steps, KandinskyPrior::kSteps);
  EXPECT_TRUE(models_->Get(kPainter)->info().needs_mask);
}

TEST_F(Kandinsky, MakesPicturesInTheStepsOfBothStages) {
  for (const std::string model : kKandinskyModels) {
    const auto events = Run(Request(model));
    ASSERT_EQ(events->Error(), "") << model;
    EXPECT_EQ(events->picture.sizes(), (at::IntArrayRef{24, 32, 3})) << model;
    EXPECT_EQ(events->steps, 4 + KandinskyPrior::kSteps) << model;
    EXPECT_FALSE(events->previews.empty()) << model;
    for (const int64_t step : events->previews) EXPECT_GT(step, KandinskyPrior::kSteps) << model;
  }
}

// As two directories, one in the other, or as diffusers saves both together.
TEST_F(Kandinsky, WhereThePriorLiesMakesNoDifference) {
  EXPECT_TRUE(at::equal(PictureOf(Request(kDecoder)), PictureOf(Request(kCombined))));
}

TEST_F(Kandinsky, GoesOnFromACheckpointOfAnyStage) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : kKandinskyModels) requests.push_back(Request(model, 3));
  requests.push_back(Request(kDecoder, 3));
  requests.back().picture.negative_prompt = "ugly";
  requests.push_back(Request(kDecoder, 6));
  requests.back().source = "stripes";
  requests.back().strength = 0.5;
  requests.push_back(requests.back());
  requests.back().mask = "half";
  for (const TrajectoryRequest& request : requests) {
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  }
}

// Beside others in both stages: guided and not, with and without a negative prompt, of pictures.
TEST_F(Kandinsky, NeighboursDoNotMatter) {
  std::vector<TrajectoryRequest> requests;
  for (const std::string model : kKandinskyModels) {
    for (const double guidance : {1.0, 5.0}) {
      requests.push_back(Request(model, guidance > 1 ? 3 : 5));
      requests.back().picture.guidance = requests.back().picture.prior_guidance = guidance;
      requests.push_back(requests.back());
      requests.back().picture.negative_prompt = "ugly";
    }
  }
  ExpectNeighboursDoNotMatter(*models_, Options(), requests);
}

TEST_F(Kandinsky, WhatARequestSaysCounts) {
  const at::Tensor picture = PictureOf(Request());
  const auto differs = [&](const std::function<void(TrajectoryRequest&)>& change) {
    TrajectoryRequest other = Request();
    change(other);
    return !at::equal(PictureOf(other), picture);
  };
  EXPECT_TRUE(differs([](auto& r) { r.picture.prompt = "a house"; }));
  EXPECT_TRUE(differs([](auto& r) { r.picture.negative_prompt = "a house"; }));
  EXPECT_TRUE(differs([](auto& r) { r.picture.negative_prompt = ""; }));  // which is not none
  EXPECT_TRUE(differs([](auto& r) { r.picture.guidance = 2; }));
  EXPECT_TRUE(differs([](auto& r) { r.picture.prior_guidance = 1; }));
  EXPECT_TRUE(differs([](auto& r) { r.source = "stripes"; }));
  EXPECT_TRUE(differs([](auto& r) { r.seed = 8; }));
}

// The request's picture is the decoder's: where that begins, and how many of its steps are left.
TEST_F(Kandinsky, BeginsFromAPictureAfterThePrior) {
  TrajectoryRequest request = Request(kDecoder, 8);
  request.source = "stripes";
  request.strength = 0.5;
  const auto events = Run(request);
  ASSERT_EQ(events->Error(), "");
  EXPECT_EQ(events->steps, 8 + KandinskyPrior::kSteps);
  request.source = "black";
  EXPECT_FALSE(at::equal(PictureOf(request), events->picture));
}

// The negative prompt becomes a picture's embedding too, by steps of the prior: only where something is led
// away from it.
TEST_F(Kandinsky, ANegativePromptTakesAVectorOfItsOwn) {
  const c10::InferenceMode inference;
  const auto prior = models_->Get(kDecoder);
  PictureRequest request;
  request.guidance = 4;
  EXPECT_EQ(prior->ShapeFor(request, 32, 32), (std::vector<int64_t>{16}));
  request.negative_prompt = "ugly";
  EXPECT_EQ(prior->ShapeFor(request, 32, 32), (std::vector<int64_t>{2, 16}));
  const Conditioning both = prior->Condition(request, {2, 16});
  ASSERT_EQ(both.rows.size(), 2U);
  EXPECT_TRUE(at::equal(both.rows[0][Condition::kText][0], both.rows[0][Condition::kText][1]));
  EXPECT_TRUE(at::equal(both.rows[0][Condition::kText][1], both.rows[1][Condition::kText][1]));
  EXPECT_FALSE(at::equal(both.rows[1][Condition::kText][0], both.rows[1][Condition::kText][1]));
  request.prior_guidance = 1;
  EXPECT_EQ(prior->Condition(request, {2, 16}).rows.size(), 1U);
  request.guidance = 1;
  // Nothing asks for it, and it may be as long as it likes.
  for (int i = 0; i < 100; ++i) *request.negative_prompt += " a";
  EXPECT_EQ(prior->Condition(request, {16}).tokens_cut, 0);
  EXPECT_EQ(prior->ShapeFor(request, 32, 32), (std::vector<int64_t>{16}));
  EXPECT_EQ(prior->next()->Condition(request, {4, 16, 16}).rows.size(), 1U);
}

// Several at once are what each is alone.
TEST_F(Kandinsky, VectorsOfOneTrajectoryDoNotSeeEachOther) {
  const c10::InferenceMode inference;
  const auto prior = models_->Get(kDecoder);
  const Conditioning first = prior->Condition({.prompt = "a cat"}, {16}),
                     second = prior->Condition({.prompt = "two dogs"}, {16});
  const Told pair = Told::Stack({&first.rows.back(), &second.rows.back()});
  const at::Tensor x = at::linspace(-1, 1, 32, at::kFloat).view({1, 2, 16});
  const at::Tensor timestep = at::full({1}, 300, at::kFloat);
  const at::Tensor both =
      prior->denoiser()({.sample = x, .timestep = timestep, .told = Told::Stack({&pair})});
  for (int64_t i = 0; i < 2; ++i) {
    const Told& row = (i == 0 ? first : second).rows.back();
    const at::Tensor alone =
        prior->denoiser()({.sample = x.select(1, i), .timestep = timestep, .told = Told::Stack({&row})});
    EXPECT_TRUE(at::allclose(both.select(1, i), alone, 1e-4, 1e-5)) << i;
  }
}

// What is kept: a cell whose neighbours to the upper right and lower left are not kept stays.
TEST(KandinskyMask, LosesItsBorderButAtTwoCorners) {
  at::Tensor kept = at::ones({1, 5, 5}, at::kFloat);
  kept[0][2][2] = 0;
  at::Tensor expected = at::ones({1, 5, 5}, at::kFloat);
  for (const auto& [y, x] : {std::pair{2, 2}, {1, 2}, {2, 1}, {1, 1}, {3, 2}, {2, 3}, {3, 3}})
    expected[0][y][x] = 0;
  EXPECT_TRUE(at::equal(WithoutBorder(kept), expected));
  kept = at::ones({1, 2, 3}, at::kFloat);
  EXPECT_TRUE(at::equal(WithoutBorder(kept), kept));  // nothing lies beyond the picture
}

TEST_F(Kandinsky, ErrorsSayWhatIsWrong) {
  TrajectoryRequest request = Request(kPainter);
  request.mask.clear();
  EXPECT_THAT(Run(request)->Error(), HasSubstr("it needs a source picture and a mask"));
  request = Request();
  request.depth = "black";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("this model takes no depth map"));
  request = Request();
  for (int i = 0; i < 100; ++i) request.picture.prompt += " a";
  EXPECT_THAT(Run(request)->Error(), HasSubstr("the prompt is too long for this model's text encoder"));
  request = Request();
  request.width = 34;
  EXPECT_THAT(Run(request)->Error(), HasSubstr("multiples of 4"));
}

TEST_F(Kandinsky, WhatDoesNotFitIsRefusedByName) {
  EXPECT_THAT(Refusal("unet/config.json", {{"addition_embed_type", "image_hint"}}),
              AllOf(HasSubstr("unet/config.json"), HasSubstr("addition_embed_type")));
  EXPECT_THAT(Refusal("unet/config.json", {{"encoder_hid_dim_type", "text_proj"}}),
              HasSubstr("encoder_hid_dim_type"));
  EXPECT_THAT(Refusal("unet/config.json", {{"encoder_hid_dim_type", nullptr}}), HasSubstr("encoder_hid_dim"));
  EXPECT_THAT(Refusal("unet/config.json", {{"encoder_hid_dim", 24}}),
              AllOf(HasSubstr("embedding_dim"), HasSubstr("24")));
  EXPECT_THAT(Refusal("unet/config.json", {{"class_embed_type", "timestep"}}), HasSubstr("class_embed_type"));
  EXPECT_THAT(Refusal("unet/config.json", {{"in_channels", 8}}), HasSubstr("in_channels"));
  EXPECT_THAT(Refusal("unet/config.json", {{"out_channels", 4}}), HasSubstr("out_channels"));
  EXPECT_THAT(Refusal("movq/config.json", {{"norm_type", "group"}}), HasSubstr("norm_type"));
  EXPECT_THAT(Refusal("movq/config.json", {{"vq_embed_dim", 3}}), HasSubstr("vq_embed_dim"));
  EXPECT_THAT(Refusal("movq/config.json", {{"up_block_types", {"UpDecoderBlock2D"}}}),
              HasSubstr("up_block_types"));
  EXPECT_THAT(Refusal("movq/config.json", {{"down_block_types", {"DownEncoderBlock2D", "DownBlock2D"}}}),
              AllOf(HasSubstr("down_block_types"), HasSubstr("AttnDownEncoderBlock2D")));
  EXPECT_THAT(Refusal("prior/prior/config.json", {{"num_embeddings", 76}}), HasSubstr("num_embeddings"));
  EXPECT_THAT(Refusal("prior/image_encoder/config.json", {{"projection_dim", 8}}),
              AllOf(HasSubstr("prior/image_encoder/config.json"), HasSubstr("projection_dim")));
  EXPECT_THAT(Refusal("model_index.json", {{"_class_name", "StableDiffusionPipeline"}}),
              AllOf(HasSubstr("unet/config.json"), HasSubstr("encoder_hid_dim_type")));
}

TEST_F(Kandinsky, WhatIsMissingOrTruncatedIsRefusedByName) {
  EXPECT_THAT(Refusal([](const fs::path& model) { fs::remove_all(model / "prior"); }),
              AllOf(HasSubstr("the decoder has no prior"), HasSubstr("prior/prior/config.json")));
  EXPECT_THAT(Refusal([](const fs::path& model) { fs::remove_all(model / "movq"); }),
              HasSubstr("movq/config.json"));
  EXPECT_THAT(Refusal([](const fs::path& model) { fs::remove_all(model / "prior/image_encoder"); }),
              HasSubstr("prior/image_encoder/config.json"));
  for (const char* const part : {"unet", "movq", "prior/prior"}) {
    const std::string file = std::string(part) + "/diffusion_pytorch_model.safetensors";
    EXPECT_THAT(Refusal([&](const fs::path& model) {
                  fs::resize_file(model / file, fs::file_size(model / file) / 2);
                }),
                HasSubstr(file))
        << part;
  }
}

// A model is another where its prior is, whichever of its files has changed.
TEST_F(Kandinsky, ItsRevisionIsOfItsPriorToo) {
  const mind::support::ModelFolder folder;
  const fs::path model = fs::path(folder.path()) / "model";
  Write(model, {});
  const std::string before = ModelDirectory(model.string()).Revision(Precision::kFloat32);
  const fs::path file = model / "prior/scheduler/scheduler_config.json";
  nlohmann::json config = ReadJsonFile(file.string());
  config["clip_sample_range"] = 5;
  std::ofstream(file) << config;
  EXPECT_NE(ModelDirectory(model.string()).Revision(Precision::kFloat32), before);
}

}  // namespace
}  // namespace mind::diffusion
