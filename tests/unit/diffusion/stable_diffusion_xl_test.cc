// SDXL in small, through the engine: base, refiner, both one after the other, a student, learnt words. Its
// numbers are checked against recorded ones by mind-golden.
#include "worker/diffusion/pipelines/stable_diffusion_xl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_xl.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StableDiffusionXl : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new mind::support::ModelFolder;
    Write("base", {});
    Write("refiner", {.refiner = true});
    Write("inpaint", {.inpaint = true});
    Write("student", {.guidance_width = 16});
    fs::create_directory(Path("both"));
    std::ofstream(Path("both") / "cascade.json")
        << R"({"_class_name": "Cascade", "stages": ["../base", "../refiner"], "hand_over": 0.6})";
    models_ = new ModelCache(folder_->path(), {});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static fs::path Path(const std::string& name) { return fs::path(folder_->path()) / name; }
  static std::string Tokenizer() {
    return (mind::support::ModelFolder::Golden() / "models" / "sd1" / "tokenizer").string();
  }
  static void Write(const std::string& name, const TinyXlOptions& options) {
    TinyXl::Write(Path(name).string(), Tokenizer(), options);
  }

  static TrajectoryRequest Request(const std::string& model, int64_t steps = 6) {
    TrajectoryRequest request;
    request.model = model;
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = 5;
    request.width = 32;
    request.height = 48;
    request.sampler = "euler";
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static Engine::Options Options() {
    return {.row_threads = 2,
            .checkpoint_interval = std::chrono::milliseconds(0),
            .decode = [](const std::string&) {
              return at::arange(48 * 32 * 3, at::kFloat).remainder(251).to(at::kByte).view({48, 32, 3});
            }};
  }

  static std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    return MadeAlone(*models_, Options(), request);
  }
  static at::Tensor PictureOf(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }

  static Conditioning Condition(const std::string& model, const PictureRequest& request) {
    const c10::InferenceMode inference;
    return models_->Get(model)->Condition(request, {4, 24, 16});
  }

  static mind::support::ModelFolder* folder_;
  static ModelCache* models_;
};

mind::support::ModelFolder* StableDiffusionXl::folder_ = nullptr;
ModelCache* StableDiffusionXl::models_ = nullptr;

TEST_F(StableDiffusionXl, SaysWhatItTakes) {
  const ModelInfo base = models_->Get("base")->info(), refiner = models_->Get("refiner")->info();
  EXPECT_TRUE(base.takes_second_prompt && base.takes_sizes && !base.takes_aesthetic_score);
  EXPECT_TRUE(!refiner.takes_second_prompt && refiner.takes_sizes && refiner.takes_aesthetic_score);
  EXPECT_EQ(base.max_clip_skip, 1);
  EXPECT_EQ(base.default_guidance, 5);
  EXPECT_TRUE(models_->Get("inpaint")->info().needs_mask);
  EXPECT_EQ(models_->Get("student")->info().default_steps, 4);
}

// The picture's own size where a request says none, (height, width) each, and the half that guidance leads
// away from told the same unless it says otherwise.
TEST_F(StableDiffusionXl, IsToldTheFrame) {
  PictureRequest request;
  request.guidance = 5;
  const auto sizes = [](const Told& row) {
    const at::Tensor& numbers = row[Condition::kSizes];
    return std::vector<float>(numbers.data_ptr<float>(), numbers.data_ptr<float>() + numbers.numel());
  };
  Conditioning told = Condition("base", request);
  ASSERT_EQ(told.rows.size(), 2U);
  EXPECT_THAT(sizes(told.rows[1]), testing::ElementsAre(48, 32, 0, 0, 48, 32));
  request.sizes = {.original = {{512, 768}}, .target = {}, .crop = {16, 8}};
  told = Condition("base", request);
  EXPECT_THAT(sizes(told.rows[0]), testing::ElementsAre(512, 768, 16, 8, 48, 32));
  request.negative_sizes = FrameSizes{.original = {}, .target = {{64, 64}}, .crop = {0, 0}};
  EXPECT_THAT(sizes(Condition("base", request).rows[0]), testing::ElementsAre(48, 32, 0, 0, 64, 64));
  EXPECT_THAT(sizes(Condition("refiner", request).rows[1]), testing::ElementsAre(512, 768, 16, 8, 6));
}

TEST_F(StableDiffusionXl, NoNegativePromptIsZerosWhereTheModelSaysSo) {
  PictureRequest request;
  request.guidance = 5;
  request.prompt = "a cat";
  EXPECT_EQ(Condition("base", request).rows[0][Condition::kText].abs().max().item<float>(), 0);
  request.negative_prompt = "";
  EXPECT_GT(Condition("base", request).rows[0][Condition::kText].abs().max().item<float>(), 0);
  request.negative_prompt.reset();
  EXPECT_GT(Condition("refiner", request).rows[0][Condition::kText].abs().max().item<float>(), 0);
  request.guidance = 0.5;  // guidance runs only above 1
  EXPECT_EQ(Condition("base", request).rows.size(), 1U);
}

// Each encoder reads its own prompt; where one of them is longer, the other is filled up.
TEST_F(StableDiffusionXl, ItsEncodersMayReadDifferentPrompts) {
  PictureRequest request;
  request.guidance = 1;
  request.prompt = "a cat";
  const at::Tensor same = Condition("base", request).rows[0][Condition::kText];
  request.prompt_2 = "a dog BREAK on the grass";
  const at::Tensor other = Condition("base", request).rows[0][Condition::kText];
  ASSERT_EQ(other.sizes(), (at::IntArrayRef{154, 40}));
  EXPECT_TRUE(at::equal(other.slice(0, 0, 77).slice(1, 0, 16), same.slice(1, 0, 16)));
  EXPECT_FALSE(at::equal(other.slice(0, 0, 77).slice(1, 16), same.slice(1, 16)));
}

TEST_F(StableDiffusionXl, AStudentIsToldTheGuidanceInOneRow) {
  PictureRequest request;
  request.guidance = 8;
  const Conditioning told = Condition("student", request);
  ASSERT_EQ(told.rows.size(), 1U);
  EXPECT_EQ(told.guidance.scale, 1);
  EXPECT_EQ(told.rows[0][Condition::kGuidance].sizes(), at::IntArrayRef{16});
  const at::Tensor strong = PictureOf(Request("student"));
  TrajectoryRequest weak = Request("student");
  weak.picture.guidance = 2;
  EXPECT_FALSE(at::equal(PictureOf(weak), strong));
}

TEST_F(StableDiffusionXl, MakesPicturesFromNoiseFromPicturesAndIntoThem) {
  for (const std::string model : {"base", "refiner", "inpaint"}) {
    TrajectoryRequest request = Request(model);
    if (model != "base") request.source = "picture";
    if (model == "inpaint") request.mask = "picture";
    EXPECT_EQ(PictureOf(request).sizes(), (at::IntArrayRef{48, 32, 3})) << model;
  }
}

// Six steps between the two: the base takes those before six tenths of the noise are gone.
TEST_F(StableDiffusionXl, TheRefinerGoesOnWithTheBasesLatents) {
  EXPECT_EQ(models_->Get("both")->info().later_steps, 0);
  const TrajectoryRequest request = Request("both");
  const auto whole = Run(request);
  ASSERT_EQ(whole->Error(), "");
  EXPECT_EQ(whole->steps, 6);
  // Neither of the two alone makes it.
  EXPECT_FALSE(at::equal(whole->picture, PictureOf(Request("base"))));
  EXPECT_FALSE(at::equal(whole->picture, PictureOf(Request("refiner"))));
  // From a checkpoint of either stage it comes out the same.
  ASSERT_GE(whole->checkpoints.size(), 4U);
  for (const auto& [step, bytes] : whole->checkpoints) {
    TrajectoryRequest resumed = request;
    resumed.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureOf(resumed), whole->picture)) << "from step " << step;
  }
}

// What a mask keeps stays kept in the refiner's steps, and after a checkpoint of them.
TEST_F(StableDiffusionXl, TheRefinerKeepsWhatAMaskKeeps) {
  TrajectoryRequest request = Request("both");
  request.source = request.mask = "picture";
  const auto whole = Run(request);
  ASSERT_EQ(whole->Error(), "");
  ASSERT_FALSE(whole->checkpoints.empty());
  request.checkpoint = whole->checkpoints.rbegin()->second;
  EXPECT_TRUE(at::equal(PictureOf(request), whole->picture));
}

TEST_F(StableDiffusionXl, APictureMayBeginBeyondWhereTheBaseEnds) {
  TrajectoryRequest request = Request("both", 10);
  request.source = "picture";
  request.strength = 0.2;
  const auto events = Run(request);
  EXPECT_EQ(events->Error(), "");
  EXPECT_EQ(events->steps, 10);
}

TEST_F(StableDiffusionXl, APromptThatDoesNotFitIsRefusedNotCut) {
  TrajectoryRequest request = Request("base");
  for (int i = 0; i < 1300; ++i) request.picture.prompt += " a";
  EXPECT_THAT(Run(request)->Error(),
              HasSubstr("the prompt is too long for this model's text encoder: leave out"));
}

TEST_F(StableDiffusionXl, ALongPromptIsOneOfSeveralChunks) {
  TrajectoryRequest request = Request("base");
  for (int i = 0; i < 200; ++i) request.picture.prompt += " cat";
  const at::Tensor picture = PictureOf(request);
  request.picture.prompt += " dog";  // the last word counts
  EXPECT_FALSE(at::equal(PictureOf(request), picture));
}

// A word beside the model stands for vectors of both encoders; one that does not fit is named when it is
// used.
TEST_F(StableDiffusionXl, LearntWordsAreForBothEncoders) {
  Write("taught", {});
  const fs::path words = Path("taught") / "embeddings";
  fs::create_directory(words);
  std::ofstream(words / "bad.safetensors", std::ios::binary)
      << SerializeSafeTensors({{"emb_params", at::ones({2, 12})}}, {});
  std::ofstream(words / "tiger.safetensors", std::ios::binary)
      << SerializeSafeTensors({{"clip_l", at::ones({2, 16})}, {"clip_g", at::ones({2, 24})}}, {});
  const c10::InferenceMode inference;
  const auto taught = LoadPipeline(Path("taught").string(), {});
  EXPECT_THAT(taught->info().learnt_words, testing::ElementsAre("bad", "tiger"));
  PictureRequest request;
  request.prompt = "a tiger";
  request.guidance = 1;
  const at::Tensor told = taught->Condition(request, {4, 24, 16}).rows[0][Condition::kText];
  const at::Tensor plain = Condition("base", request).rows[0][Condition::kText];
  EXPECT_FALSE(at::equal(told.slice(1, 0, 16), plain.slice(1, 0, 16)));
  EXPECT_FALSE(at::equal(told.slice(1, 16), plain.slice(1, 16)));
  request.prompt = "bad";
  try {
    taught->Condition(request, {4, 24, 16});
    ADD_FAILURE();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("bad.safetensors"), HasSubstr("[2, 12]"),
                                         HasSubstr("vectors of 16 numbers are needed")));
  }
}

TEST_F(StableDiffusionXl, HandsLatentsOnlyToModelsThatCanGoOnWithThem) {
  const auto error = [](const std::string& json) -> std::string {
    const mind::support::ModelFolder folder;
    const fs::path cascade = fs::path(folder.path()) / "cascade";
    fs::create_directory(cascade);
    std::ofstream(cascade / "cascade.json") << json;
    try {
      DescribeModel(cascade.string());
      return "";
    } catch (const ModelError& e) {
      return e.what();
    }
  };
  const std::string base = Path("base").string(), inpaint = Path("inpaint").string();
  const auto stages = [&](const std::string& second, const std::string& share) {
    const auto from = [](const std::string& path) { return "../../../.." + path; };
    return R"({"_class_name": "Cascade", "stages": [")" + from(base) + R"(", ")" + from(second) +
           R"("], "hand_over": )" + share + "}";
  };
  EXPECT_THAT(error(stages(inpaint, "0.8")), HasSubstr("between models of text to image only"));
  EXPECT_THAT(error(stages(base, "1.5")), HasSubstr("hand_over"));
  EXPECT_EQ(error(stages(base, "0.8")), "");
}

// v_pred and ztsnr in a single file say what its scheduler's configuration does not.
TEST_F(StableDiffusionXl, ASingleFileSaysHowItWasTrained) {
  const fs::path model = Path("marked");
  Write("marked", {});
  std::map<std::string, at::Tensor> file = {{"v_pred", at::zeros({0})}, {"ztsnr", at::zeros({0})}};
  file["model.diffusion_model.out.2.weight"] = at::zeros({4, 8, 3, 3});
  std::ofstream(model / "marked.safetensors", std::ios::binary) << SerializeSafeTensors(file, {});
  const auto config = [&] { return ModelDirectory(model.string()).ReadSamplerConfig(); };
  EXPECT_EQ(config().prediction, Prediction::kEpsilon);  // the components have weights of their own
  fs::remove(model / "unet" / "diffusion_pytorch_model.safetensors");
  EXPECT_EQ(config().prediction, Prediction::kVelocity);
  EXPECT_TRUE(config().zero_terminal_snr);
}

}  // namespace
}  // namespace mind::diffusion
