// How a source picture comes to a model's size, and what of it is painted how softly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/engine/source_frame.h"
#include "worker/diffusion/pipelines/blur.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

// [height, width, 3], a gradient across.
at::Tensor Gradient(int64_t height, int64_t width) {
  return at::arange(width, at::kInt)
      .mul(200)
      .div(width, "floor")
      .to(at::kByte)
      .view({1, width, 1})
      .repeat({height, 1, 3});
}

TEST(PaintingFit, CropCoversTheSizeAndKeepsTheMiddle) {
  const at::Tensor wide = Gradient(20, 80);
  const at::Tensor cut = FitPicture(wide, 20, 20, Fit::kCrop);
  EXPECT_TRUE(at::equal(cut, wide.narrow(1, 30, 20)));
  const at::Tensor tall = FitPicture(wide.transpose(0, 1), 20, 20, Fit::kCrop);
  EXPECT_TRUE(at::equal(tall, cut.transpose(0, 1)));
}

TEST(PaintingFit, FillHasAllOfItAndItsEdgesBeside) {
  const at::Tensor wide = Gradient(20, 80);
  const at::Tensor filled = FitPicture(wide, 80, 40, Fit::kFill);
  EXPECT_TRUE(at::equal(filled.narrow(0, 10, 20), wide));
  EXPECT_TRUE(at::equal(filled[0], wide[0]));
  EXPECT_TRUE(at::equal(filled[39], wide[19]));
  const at::Tensor beside = FitPicture(wide, 120, 20, Fit::kFill);
  EXPECT_TRUE(at::equal(beside.narrow(1, 20, 80), wide));
  EXPECT_EQ(beside[3][0][0].item<int>(), wide[3][0][0].item<int>());
  EXPECT_EQ(beside[3][119][0].item<int>(), wide[3][79][0].item<int>());
}

TEST(PaintingFit, OfTheSameProportionsAllAreOne) {
  const at::Tensor picture = Gradient(24, 40);
  const at::Tensor stretched = FitPicture(picture, 80, 48, Fit::kStretch);
  EXPECT_TRUE(at::equal(stretched, ResizePicture(picture, 80, 48)));
  for (const Fit fit : {Fit::kCrop, Fit::kFill})
    EXPECT_TRUE(at::equal(FitPicture(picture, 80, 48, fit), stretched));
}

TEST(PaintingFit, APictureTooNarrowToBeCutIsRefused) {
  const at::Tensor line = at::zeros({1, 8192, 3}, at::kByte);
  EXPECT_THROW(FitPicture(line, 1024, 1024, Fit::kCrop), RequestError);
  EXPECT_EQ(FitPicture(line, 1024, 1024, Fit::kFill).size(0), 1024);
}

TEST(PaintingBlur, IsAGaussian) {
  at::Tensor mask = at::zeros({33, 41, 1}, at::kByte);
  EXPECT_TRUE(at::equal(BlurMask(mask, 4), mask));
  EXPECT_TRUE(at::equal(BlurMask(mask + 255, 64), mask + 255));
  mask.narrow(1, 21, 20).fill_(255);
  EXPECT_TRUE(at::equal(BlurMask(mask, 0), mask));
  const at::Tensor blurred = BlurMask(mask, 4).to(at::kInt);
  EXPECT_TRUE(at::equal(blurred[0], blurred[32]));
  // Halves on both sides of the edge, which lies between pixels; 0 and 255 beyond the reach of 10.
  const auto at_column = [&](int64_t column) { return blurred[5][column][0].item<int>(); };
  EXPECT_NEAR(at_column(20) + at_column(21), 255, 1);
  EXPECT_NEAR(at_column(21), 255 * 0.5503, 1.5);  // of Phi(0.5 / 4), within what the cut takes
  EXPECT_EQ(at_column(10), 0);
  EXPECT_EQ(at_column(31), 255);
  for (int64_t column = 1; column < 41; ++column) EXPECT_GE(at_column(column), at_column(column - 1));
}

TEST(PaintingBlur, ALineIsMirroredAsOftenAsItTakes) {
  at::Tensor mask = at::full({1, 3, 1}, 255, at::kByte);
  EXPECT_TRUE(at::equal(BlurMask(mask, 64), mask));
  mask[0][0][0] = 0;
  const at::Tensor blurred = BlurMask(mask, 64).to(at::kInt);
  EXPECT_NEAR(blurred[0][1][0].item<int>(), 255 * 3 / 4, 3);  // of ... 0 1 1 1 0 1 1 1 0 ...
}

at::Tensor MaskOf(int64_t height, int64_t width, const PictureRegion& bright) {
  at::Tensor mask = at::zeros({height, width, 1}, at::kByte);
  mask.narrow(0, bright.top, bright.height).narrow(1, bright.left, bright.width).fill_(255);
  return mask;
}

TEST(PaintingRegion, HasTheProportionsOfTheSize) {
  const auto around = [](const PictureRegion& bright, int64_t padding, int64_t width, int64_t height) {
    return *RegionAround(MaskOf(200, 300, bright), padding, width, height);
  };
  EXPECT_EQ(around({100, 80, 128, 32}, 0, 512, 512), (PictureRegion{100, 32, 128, 128}));
  EXPECT_EQ(around({100, 80, 32, 32}, 8, 512, 512), (PictureRegion{92, 72, 48, 48}));
  EXPECT_EQ(around({100, 80, 32, 32}, 0, 512, 256), (PictureRegion{84, 80, 64, 32}));
  // At an edge it grows to the other side, and where there is no more it stays.
  EXPECT_EQ(around({0, 80, 10, 50}, 0, 64, 64), (PictureRegion{0, 80, 50, 50}));
  EXPECT_EQ(around({290, 80, 10, 50}, 0, 64, 64), (PictureRegion{250, 80, 50, 50}));
  EXPECT_EQ(around({0, 80, 300, 10}, 0, 64, 64), (PictureRegion{0, 0, 300, 200}));
  EXPECT_FALSE(RegionAround(at::zeros({8, 8, 1}, at::kByte), 4, 64, 64).has_value());
}

class PaintingTest : public EngineRig {
 protected:
  static constexpr PictureRegion kSpot = {30, 12, 16, 12};

  static Engine::Options PaintingOptions() {
    Engine::Options options = Options();
    options.decode = [others = options.decode](const std::string& file) {
      if (file == "spot") return MaskOf(48, 80, kSpot).repeat({1, 1, 3});
      if (file == "grey") return at::full({48, 80, 3}, 130, at::kByte);
      if (file == "white") return at::full({48, 80, 3}, 255, at::kByte);
      return others(file);
    };
    return options;
  }
  static TrajectoryRequest Painting(const std::string& mask) {
    TrajectoryRequest request = Request("euler", 4);
    request.source = "stripes";
    request.mask = mask;
    request.strength = 0.8;
    return request;
  }
  static at::Tensor Made(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, PaintingOptions(), request);
  }
  static at::Tensor Stripes() { return Options().decode("stripes"); }

  // That it is gone on with from every checkpoint to the same bytes.
  static void ExpectSameFromCheckpoints(const TrajectoryRequest& request) {
    const auto whole = MadeAlone(*models_, PaintingOptions(), request);
    ASSERT_EQ(whole->Error(), "");
    ASSERT_FALSE(whole->checkpoints.empty());
    for (const auto& [step, bytes] : whole->checkpoints) {
      TrajectoryRequest rest = request;
      rest.checkpoint = bytes;
      EXPECT_TRUE(at::equal(Made(rest), whole->picture)) << step;
    }
  }
};

TEST_F(PaintingTest, WithoutBlurGreyIsAllOrNothing) {
  EXPECT_TRUE(at::equal(Made(Painting("grey")), Made(Painting("white"))));
}

TEST_F(PaintingTest, WithBlurGreyIsPaintedSoFar) {
  TrajectoryRequest request = Painting("grey");
  const at::Tensor hard = Made(request);
  request.mask_blur = 0;
  const at::Tensor soft = Made(request);
  EXPECT_FALSE(at::equal(soft, hard));
  const at::Tensor source = ResizePicture(Stripes(), 64, 64).to(at::kFloat);
  const auto distance = [&](const at::Tensor& made) {
    return (made.to(at::kFloat) - source).abs().mean().item<double>();
  };
  EXPECT_LT(distance(soft), distance(hard));
  ExpectSameFromCheckpoints(request);
}

TEST_F(PaintingTest, ABlurredMaskPutsTheRestBack) {
  TrajectoryRequest request = Painting("spot");
  request.mask_blur = 2;
  const at::Tensor made = Made(request);
  const at::Tensor source = ResizePicture(Stripes(), 64, 64);
  EXPECT_TRUE(at::equal(made.narrow(1, 0, 12), source.narrow(1, 0, 12)));
  EXPECT_FALSE(at::equal(made.narrow(1, 28, 8), source.narrow(1, 28, 8)));
}

TEST_F(PaintingTest, OnlyThePartAroundTheMaskIsPaintedAndPutBack) {
  TrajectoryRequest request = Painting("spot");
  request.only_masked = 4;
  const at::Tensor made = Made(request), source = Stripes();
  ASSERT_EQ(made.sizes(), source.sizes());
  const at::Tensor changed = (made != source).any(2);
  const at::Tensor spot = MaskOf(48, 80, kSpot).squeeze(2) > 0;
  EXPECT_FALSE((changed & ~spot).any().item<bool>());
  EXPECT_TRUE((changed & spot).any().item<bool>());
  ExpectSameFromCheckpoints(request);
  request.mask_blur = 2;
  const at::Tensor soft = Made(request);
  ASSERT_EQ(soft.sizes(), source.sizes());
  EXPECT_TRUE(((soft != source).any(2) & ~spot).any().item<bool>());
  EXPECT_TRUE(at::equal(soft.narrow(1, 0, 16), source.narrow(1, 0, 16)));
}

TEST_F(PaintingTest, ThePartIsSeenLargerThanInTheWholePicture) {
  TrajectoryRequest request = Painting("spot");
  const SourceFrame whole(request, PaintingOptions().decode);
  request.only_masked = 0;
  const SourceFrame part(request, PaintingOptions().decode);
  EXPECT_TRUE(at::equal(whole.Picture(64, 64, ResizeFilter::kLanczos), ResizePicture(Stripes(), 64, 64)));
  // 16x12 pixels and four lines more to be a square.
  const at::Tensor square = Stripes().narrow(0, 10, 16).narrow(1, 30, 16).contiguous();
  EXPECT_TRUE(at::equal(part.Picture(64, 64, ResizeFilter::kLanczos), ResizePicture(square, 64, 64)));
  EXPECT_GT(part.Mask(64, 64, ResizeFilter::kLanczos).to(at::kFloat).mean().item<double>(), 255 * 0.7);
}

TEST_F(PaintingTest, ASourceIsFittedToTheSize) {
  TrajectoryRequest request = Painting("");
  const at::Tensor stretched = Made(request);
  request.fit = Fit::kCrop;
  const at::Tensor cut = Made(request);
  request.fit = Fit::kFill;
  const at::Tensor filled = Made(request);
  EXPECT_FALSE(at::equal(stretched, cut));
  EXPECT_FALSE(at::equal(stretched, filled));
  EXPECT_FALSE(at::equal(cut, filled));
  ExpectSameFromCheckpoints(request);
}

TEST_F(PaintingTest, WhatCannotBePaintedSaysWhy) {
  Engine engine(*models_, PaintingOptions());
  TrajectoryRequest request = Painting("nothing");
  request.only_masked = 8;
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("nothing is bright in the mask"));
  request.mask.clear();
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("needs a mask"));
}

TEST_F(PaintingTest, ACheckpointIsOfOneMannerOfPainting) {
  TrajectoryRequest request = Painting("spot");
  std::vector<std::string> told = {Fingerprint(request)};
  request.fit = Fit::kCrop;
  told.push_back(Fingerprint(request));
  request.mask_blur = 0;
  told.push_back(Fingerprint(request));
  request.only_masked = 0;
  told.push_back(Fingerprint(request));
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()).size(), told.size());
}

}  // namespace
}  // namespace mind::diffusion
