// A second pass of a model over its own picture, enlarged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

TEST(HiresLatents, AreEnlargedBilinearlyAndKeepTheMiddle) {
  const at::Tensor latents = at::rand({4, 8, 6});
  const at::Tensor twice = FitLatents(latents, 12, 16);
  EXPECT_TRUE(at::equal(
      twice, at::upsample_bilinear2d(latents.unsqueeze(0), {16, 12}, /*align_corners=*/false).squeeze(0)));
  const at::Tensor cut = FitLatents(latents, 12, 12);
  EXPECT_TRUE(at::equal(cut, twice.narrow(1, 2, 12)));
  EXPECT_EQ(FitLatents(latents, 16, 12).sizes(), at::IntArrayRef({4, 12, 16}));
}

class HiresTest : public EngineRig {
 protected:
  static TrajectoryRequest Twice(bool latents, const std::string& sampler = "ddim") {
    TrajectoryRequest request = Request(sampler, 4);
    request.hires = {.width = 128, .height = 96, .steps = 3, .strength = 0.6, .latents = latents};
    return request;
  }
};

class HiresOfSampler : public HiresTest, public testing::WithParamInterface<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, HiresOfSampler, testing::ValuesIn(AllSamplers()),
                         [](const auto& info) { return info.param; });

// Killed anywhere, between the passes too, it ends with the same bytes.
TEST_P(HiresOfSampler, GoesOnFromEveryCheckpoint) {
  for (const bool latents : {true, false}) {
    TrajectoryRequest request = Twice(latents, GetParam());
    request.hires->width = 80;
    request.hires->height = 64;
    const auto whole = MadeAlone(*models_, Options(), request);
    ASSERT_EQ(whole->Error(), "");
    EXPECT_EQ(whole->picture.sizes(), at::IntArrayRef({64, 80, 3}));
    ASSERT_GE(whole->checkpoints.size(), 2U);
    const std::string first = whole->checkpoints.begin()->second, last = whole->checkpoints.rbegin()->second;
    for (const std::string& checkpoint : {first, last}) {
      TrajectoryRequest rest = request;
      rest.checkpoint = checkpoint;
      EXPECT_TRUE(at::equal(PictureMadeAlone(*models_, Options(), rest), whole->picture));
    }
  }
}

TEST_F(HiresTest, TellsOfBothPasses) {
  for (const bool latents : {true, false}) {
    const auto made = MadeAlone(*models_, Options(), Twice(latents));
    EXPECT_EQ(made->steps, 4 + 3);
    const std::vector<SideWork> work = {SideWork::kEncoding, SideWork::kUpscaling, SideWork::kDecoding};
    EXPECT_THAT(made->side_work, testing::IsSupersetOf(work));
    EXPECT_THAT(made->previews, testing::Contains(testing::Gt(4)));
    for (const auto& [step, bytes] : made->checkpoints) {
      TrajectoryRequest rest = Twice(latents);
      rest.checkpoint = bytes;
      EXPECT_TRUE(at::equal(PictureMadeAlone(*models_, Options(), rest), made->picture)) << step;
    }
  }
}

TEST_F(HiresTest, BeginsWithThePictureOfTheFirstPass) {
  TrajectoryRequest request = Twice(/*latents=*/false);
  const at::Tensor small = Alone(Request("ddim", 4));
  const at::Tensor enlarged = FitPicture(small, 128, 96, Fit::kCrop).to(at::kFloat);
  const auto distance = [&](double strength) {
    request.hires->strength = strength;
    return (Alone(request).to(at::kFloat) - enlarged).abs().mean().item<double>();
  };
  EXPECT_LT(distance(0.1), distance(1));
}

TEST_F(HiresTest, WhatIsEnlargedAndHowFarItGoesMakesADifference) {
  const at::Tensor latents = Alone(Twice(true)), picture = Alone(Twice(false));
  EXPECT_FALSE(at::equal(latents, picture));
  TrajectoryRequest more = Twice(true);
  more.hires->steps = 2;
  EXPECT_FALSE(at::equal(Alone(more), latents));
  EXPECT_NE(Fingerprint(more), Fingerprint(Twice(true)));
  EXPECT_NE(Fingerprint(Twice(false)), Fingerprint(Twice(true)));
  EXPECT_NE(Fingerprint(Request("ddim", 4)), Fingerprint(Twice(true)));
}

TEST_F(HiresTest, IsTheSameInCompany) {
  const at::Tensor alone = Alone(Twice(true)), other = Alone(Twice(false));
  Engine engine(*models_, WideOptions());
  std::vector<std::shared_ptr<Recorder>> all;
  for (const bool latents : {true, false}) {
    all.push_back(std::make_shared<Recorder>());
    engine.Submit(Twice(latents), all.back());
  }
  TrajectoryRequest large = Request("ddim", 8);
  large.width = 128;
  large.height = 96;
  all.push_back(std::make_shared<Recorder>());
  engine.Submit(large, all.back());
  for (const auto& one : all) ASSERT_EQ(one->Wait(), Ending::kPicture) << one->Error();
  EXPECT_TRUE(at::equal(all[0]->picture, alone));
  EXPECT_TRUE(at::equal(all[1]->picture, other));
  EXPECT_TRUE(at::equal(all[2]->picture, Alone(large)));
}

TEST_F(HiresTest, WhatCannotBeSaysWhy) {
  Engine engine(*models_, Options());
  TrajectoryRequest request = Twice(true);
  request.source = "stripes";
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("begin with noise"));
  request = Twice(true);
  request.hires->width = 100;
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("given: 100x96"));
  request = Twice(true);
  request.hires->strength = 0;
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("a strength of more than 0"));
  request.hires->strength = 0.5;
  request.hires->steps = 0;
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("and a step"));
}

}  // namespace
}  // namespace mind::diffusion
