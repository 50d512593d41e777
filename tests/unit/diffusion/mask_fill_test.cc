// What the painted part of a picture begins with.
#include "worker/diffusion/pipelines/mask_fill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/checkpoint.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kHigh = 24, kWide = 40;

at::Tensor Colours() {
  at::Tensor picture = at::empty({kHigh, kWide, 3}, at::kByte);
  uint8_t* byte = picture.data_ptr<uint8_t>();
  for (int64_t y = 0; y < kHigh; ++y) {
    for (int64_t x = 0; x < kWide; ++x) {
      *byte++ = static_cast<uint8_t>(x * 6 + y * 3);
      *byte++ = static_cast<uint8_t>(x * x + y * 7);
      *byte++ = static_cast<uint8_t>(255 - x * 5 - y);
    }
  }
  return picture;
}

// Bright in the middle, with something grey at its left.
at::Tensor Spot() {
  at::Tensor mask = at::zeros({kHigh, kWide, 1}, at::kByte);
  mask.narrow(0, 6, 12).narrow(1, 10, 20).fill_(255);
  mask.narrow(0, 6, 12).narrow(1, 8, 2).fill_(100);
  return mask;
}

std::vector<int> At(const at::Tensor& picture, int64_t y, int64_t x) {
  const at::Tensor pixel = picture[y][x].to(at::kInt).contiguous();
  return {pixel.data_ptr<int>(), pixel.data_ptr<int>() + 3};
}

// Recorded from AUTOMATIC1111's masking.fill with Pillow 12.
TEST(MaskFill, FillsWithTheColoursAroundAsPillowDoes) {
  const at::Tensor filled = FilledIn(Colours(), Spot());
  EXPECT_EQ(At(filled, 12, 20), (std::vector<int>{139, 123, 143}));
  EXPECT_EQ(At(filled, 6, 10), (std::vector<int>{70, 121, 203}));
  EXPECT_EQ(At(filled, 12, 9), (std::vector<int>{86, 152, 201}));  // grey
  EXPECT_EQ(At(filled, 10, 15), (std::vector<int>{102, 125, 177}));
  const at::Tensor elsewhere = Spot().squeeze(2) == 0;
  EXPECT_TRUE(at::equal(filled.index({elsewhere}), Colours().index({elsewhere})));
  EXPECT_EQ(HashOf({reinterpret_cast<const char*>(filled.data_ptr<uint8_t>()), filled.nbytes()}),
            0x925f6fe2cfbf993bU);
}

TEST(MaskFill, APictureThatIsAllPaintedHasNothingAroundIt) {
  const at::Tensor filled = FilledIn(Colours(), at::full({kHigh, kWide, 1}, 255, at::kByte));
  EXPECT_EQ(filled.sum().item<int64_t>(), 0);
  EXPECT_TRUE(at::equal(FilledIn(Colours(), at::zeros({kHigh, kWide, 1}, at::kByte)), Colours()));
}

class MaskFillTest : public EngineRig {
 protected:
  static TrajectoryRequest Painting(MaskFill fill, double strength = 0.7) {
    TrajectoryRequest request = Request("euler", 5);
    request.source = "stripes";
    request.mask = "half";
    request.strength = strength;
    request.mask_fill = fill;
    return request;
  }
  static at::Tensor Made(const TrajectoryRequest& request) {
    return PictureMadeAlone(*models_, Options(), request);
  }
};

TEST_F(MaskFillTest, EachBeginsWithSomethingElse) {
  const at::Tensor original = Made(Painting(MaskFill::kOriginal));
  std::vector<at::Tensor> made = {original};
  for (const MaskFill fill : {MaskFill::kSurroundings, MaskFill::kNoise, MaskFill::kNothing}) {
    const at::Tensor picture = Made(Painting(fill));
    for (const at::Tensor& other : made) EXPECT_FALSE(at::equal(picture, other));
    made.push_back(picture);
    // From all of the way on nothing of it is left.
    EXPECT_TRUE(at::equal(Made(Painting(fill, 1)), Made(Painting(MaskFill::kOriginal, 1))));
  }
}

TEST_F(MaskFillTest, GoesOnFromCheckpointsToTheSameBytes) {
  for (const MaskFill fill : {MaskFill::kSurroundings, MaskFill::kNoise, MaskFill::kNothing})
    ExpectGoesOnFromEachCheckpoint(*models_, Options(), Painting(fill));
}

// x where a trajectory begins, without a step taken: what the mask leaves is the picture's, the rest is as it
// is filled.
TEST_F(MaskFillTest, LatentsAreFilledWhereTheMaskIsBright) {
  const c10::InferenceMode inference;
  const auto model = models_->Get("sd1");
  const auto begun = [&](MaskFill fill) {
    Trajectory t;
    t.request = Painting(fill);
    Prepare(t, model, Options().decode);
    return t.start;
  };
  const Start original = begun(MaskFill::kOriginal), noise = begun(MaskFill::kNoise),
              nothing = begun(MaskFill::kNothing);
  ASSERT_TRUE(original.kept.defined());
  const at::Tensor& kept = original.kept;
  EXPECT_GT(kept.sum().item<double>(), 0);
  EXPECT_TRUE(at::equal(noise.x0 * kept, nothing.x0 * kept));
  EXPECT_FALSE(at::equal(original.x0 * (1 - kept), nothing.x0 * (1 - kept)));
  EXPECT_TRUE(at::equal(nothing.x0 * (1 - kept), at::zeros_like(nothing.x0)));
  EXPECT_TRUE(at::equal(noise.x0 * (1 - kept), noise.noise * (1 - kept)));
  EXPECT_TRUE(at::equal(noise.noise, original.noise));
}

}  // namespace
}  // namespace mind::diffusion
