// Pictures between two seeds.
#include <gtest/gtest.h>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

class VariationTest : public EngineRig {};

// By numpy, after the reference.
TEST_F(VariationTest, TheNoiseIsTheReferences) {
  const at::Tensor one = at::tensor({3.0, 1.0, 4.0, 0.0, 1.0, -2.0, 1.0, 2.0}).reshape({2, 2, 2});
  const at::Tensor other = at::tensor({0.0, 1.0, 5.0, 1.0, 1.0, 2.0, -1.0, 2.0}).reshape({2, 2, 2});
  const at::Tensor expected = at::tensor({2.3205334, 1.06159434, 4.42889656, 0.27589938, 1.30656296,
                                          -1.0823922, 0.5411961, 2.61312593})
                                  .reshape({2, 2, 2});
  EXPECT_TRUE(at::allclose(BetweenNoises(one, other, 0.25), expected, 0, 1e-7));
}

TEST_F(VariationTest, NoiseStaysNormalAllTheWay) {
  const at::Tensor one = SeededNoise(1).Draw({4, 64, 64}), other = SeededNoise(2).Draw({4, 64, 64});
  for (const double share : {0.0, 0.3, 0.5, 0.9, 1.0})
    EXPECT_NEAR(BetweenNoises(one, other, share).std().item<double>(), 1, 0.03) << share;
  EXPECT_TRUE(at::allclose(BetweenNoises(one, other, 0), one, 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(BetweenNoises(one, other, 1), other, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(BetweenNoises(one, one, 0.5), one));  // without an angle
}

TEST_F(VariationTest, AnEmbeddingsNoiseToo) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{768}, {768, 1, 1}, {2, 768}}) {
    const at::Tensor between = BetweenNoises(SeededNoise(1).Draw(shape), SeededNoise(2).Draw(shape), 0.5);
    EXPECT_NEAR(between.std().item<double>(), 1, 0.1) << at::IntArrayRef(shape);
    EXPECT_LT(between.abs().max().item<double>(), 6) << at::IntArrayRef(shape);
  }
}

// Two of a picture of two rows may happen to point opposite ways.
TEST_F(VariationTest, NoiseWithoutAWayBetweenStaysFinite) {
  const at::Tensor one = at::tensor({3.0F, 1.0F, 4.0F, 2.0F}).reshape({1, 2, 2});
  const at::Tensor other = one * at::tensor({-1.0F, 1.0F});
  EXPECT_TRUE(at::isfinite(BetweenNoises(one, other, 0.5)).all().item<bool>());
  EXPECT_TRUE(at::allclose(BetweenNoises(one, other, 0), one, 1e-3, 1e-3));
  EXPECT_TRUE(at::allclose(BetweenNoises(one, other, 1), other, 1e-3, 1e-3));
}

TEST_F(VariationTest, APictureLiesBetweenThoseOfTwoSeeds) {
  TrajectoryRequest request = Request("ddim", 6);
  request.seed = 1;
  const at::Tensor first = Alone(request);
  request.variation = {.seed = 2, .strength = 0.1};
  const at::Tensor near = Alone(request);
  request.variation.strength = 0.7;
  const at::Tensor far = Alone(request);
  const auto distance = [&first](const at::Tensor& picture) {
    return (picture.to(at::kFloat) - first.to(at::kFloat)).abs().mean().item<double>();
  };
  EXPECT_GT(distance(near), 0);
  EXPECT_GT(distance(far), distance(near));
}

TEST_F(VariationTest, GoesOnFromACheckpoint) {
  TrajectoryRequest request = Request("euler_a", 8);
  request.source = "stripes";
  request.mask = "half";
  request.strength = 0.9;
  request.variation = {.seed = 2, .strength = 0.4};
  ExpectGoesOnFromEachCheckpoint(*models_, Options(), request);
  // Another variation is another picture.
  request.checkpoint = MadeAlone(*models_, Options(), request)->checkpoints.begin()->second;
  request.variation.seed = 3;
  EXPECT_NE(MadeAlone(*models_, Options(), request)->Error(), "");
}

}  // namespace
}  // namespace mind::diffusion
