// Perturbed attention: which layers, what becomes of their rows, and what guidance makes of it.
#include "worker/diffusion/models/perturbation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/model_folder.h"
#include "tests/support/tiny_xl.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/guidance.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

TEST(Perturbation, NamesLayersByTheirBeginning) {
  const Perturbation layers{{"mid", "down_blocks.1.attentions.0"}};
  EXPECT_TRUE(layers.Has("mid_block.attentions.0.transformer_blocks.0"));
  EXPECT_TRUE(layers.Has("down_blocks.1.attentions.0.transformer_blocks.1"));
  EXPECT_FALSE(layers.Has("down_blocks.1.attentions.1.transformer_blocks.0"));
  EXPECT_FALSE(layers.Has("down_blocks.1.attentions.01"));
  EXPECT_FALSE(layers.Has("middle"));
  EXPECT_FALSE(Perturbation{{""}}.Has("mid_block"));
}

TEST(Perturbation, RowsAreOneForwardOnlyWithTheSameLayers) {
  Told plain, middle, same, other;
  middle.Perturb(std::make_shared<const Perturbation>(Perturbation{{"mid"}}));
  same.Perturb(std::make_shared<const Perturbation>(Perturbation{{"mid"}}));
  other.Perturb(std::make_shared<const Perturbation>(Perturbation{{"up"}}));
  EXPECT_TRUE(SameShape(middle, same));
  EXPECT_FALSE(SameShape(plain, middle));
  EXPECT_FALSE(SameShape(middle, other));
  EXPECT_TRUE(SameTensors(plain, middle));  // they share a batch
}

// Ahn et al. 2024, eq. 14: (1 + s) with - s perturbed beside what guidance makes; s falls with the noise.
TEST(Perturbation, GuidanceLeadsAwayFromTheLastRow) {
  const auto answer = [](double value) { return at::full({1, 1, 1}, value); };
  Conditioning conditioning;
  conditioning.rows.resize(2);
  conditioning.perturbed_guidance = 3;
  const auto guided = [&](const std::vector<at::Tensor>& outputs, double timestep) {
    GuidanceMemory none;
    return Guide(conditioning, outputs, timestep, none).item<float>();
  };
  EXPECT_FLOAT_EQ(guided({answer(2), answer(1)}, 500), 2 + 3 * (2 - 1));
  conditioning.rows.resize(3);
  conditioning.guidance.scale = 5;
  EXPECT_FLOAT_EQ(guided({answer(0), answer(2), answer(1)}, 500), 0 + 5 * 2 + 3 * (2 - 1));
  conditioning.perturbed_fall = 0.004;
  EXPECT_FLOAT_EQ(guided({answer(0), answer(2), answer(1)}, 500), 10 + (3 - 2));
  EXPECT_FLOAT_EQ(guided({answer(0), answer(2), answer(1)}, 100), 10);  // never below 0
}

class PerturbationOfXl : public testing::Test {
 protected:
  void SetUp() override {
    TinyXl::Write(folder_.path() + "/xl",
                  (mind::support::ModelFolder::Golden() / "models/sd1/tokenizer").string(),
                  {.steered = true});
    models_ = std::make_unique<ModelCache>(folder_.path(), ModelCache::Options{});
    ASSERT_TRUE(models_->rejected().empty()) << models_->rejected()[0].reason;
  }

  static TrajectoryRequest Request(double scale) {
    TrajectoryRequest request;
    request.model = "xl";
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = 1;
    request.picture.perturbed.scale = scale;
    request.width = request.height = 32;
    request.sampler = "euler";
    request.steps = 4;
    request.seed = 7;
    return request;
  }
  std::shared_ptr<Recorder> Run(const TrajectoryRequest& request) {
    Engine::Options options{.row_threads = 2, .checkpoint_interval = std::chrono::milliseconds(0)};
    options.decode = [](const std::string&) { return at::full({32, 32, 3}, 90, at::kByte); };
    return MadeAlone(*models_, options, request);
  }

  mind::support::ModelFolder folder_;
  std::unique_ptr<ModelCache> models_;
};

TEST_F(PerturbationOfXl, MakesAnotherPictureWithOrWithoutGuidanceAndControls) {
  EXPECT_TRUE(models_->Get("xl")->info().takes_perturbed);
  for (const double guidance : {1.0, 5.0}) {
    for (const bool steered : {false, true}) {
      TrajectoryRequest plain = Request(0), perturbed = Request(3);
      plain.picture.guidance = perturbed.picture.guidance = guidance;
      if (steered) plain.controls = perturbed.controls = {{.network = "edges", .picture = "grey"}};
      const auto one = Run(plain), other = Run(perturbed);
      ASSERT_EQ(one->Error() + other->Error(), "");
      EXPECT_FALSE(at::equal(one->picture, other->picture)) << guidance << steered;
      perturbed.checkpoint = other->checkpoints.at(2);
      EXPECT_TRUE(at::equal(Run(perturbed)->picture, other->picture)) << guidance << steered;
    }
  }
}

TEST_F(PerturbationOfXl, ALayerThatIsNoneIsRefusedByName) {
  TrajectoryRequest request = Request(3);
  request.picture.perturbed.layers = {"mid", "down_blocks.0"};
  EXPECT_THAT(Run(request)->Error(),
              testing::AllOf(HasSubstr("no self-attention in the layer \"down_blocks.0\""),
                             HasSubstr("down_blocks.1, mid_block, up_blocks.0")));
}

}  // namespace
}  // namespace mind::diffusion
