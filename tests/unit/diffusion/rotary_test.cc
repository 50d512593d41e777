#include "worker/diffusion/models/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mind::diffusion {
namespace {

at::Tensor Drawn(at::IntArrayRef shape, uint64_t seed = 1) {
  at::manual_seed(seed);
  return at::randn(shape);
}

double At(const at::Tensor& x, std::initializer_list<int64_t> place) {
  at::Tensor number = x;
  for (const int64_t i : place) number = number[i];
  return number.item<double>();
}

TEST(Rotary, EachAxisTurnsNumbersOfItsOwnByFrequenciesOfItsOwn) {
  const Rotary rotary = Rotary::OfAxes({4, 6}, 100);
  EXPECT_EQ(rotary.axes(), 2);
  EXPECT_EQ(rotary.head_width(), 10);
  const Rotation rotation = rotary.At(at::tensor({7, -3, 1, 2}, at::kLong).view({2, 2}));
  ASSERT_EQ(rotation.cosines.sizes(), at::IntArrayRef({2, 5}));
  const double angles[] = {7, 7 * std::pow(100, -2.0 / 4), -3, -3 * std::pow(100, -2.0 / 6),
                           -3 * std::pow(100, -4.0 / 6)};
  for (int64_t pair = 0; pair < 5; ++pair) {
    EXPECT_NEAR(At(rotation.cosines, {0, pair}), std::cos(angles[pair]), 1e-7) << pair;
    EXPECT_NEAR(At(rotation.sines, {0, pair}), std::sin(angles[pair]), 1e-7) << pair;
  }
}

TEST(Rotary, SectionsShareOneRunOfFrequencies) {
  const Rotary rotary = Rotary::OfSections({1, 2, 1}, 10000);
  EXPECT_EQ(rotary.head_width(), 8);
  const Rotation rotation = rotary.At(at::tensor({5, 6, 7}, at::kLong).view({1, 3}));
  const double places[] = {5, 6, 6, 7};
  for (int64_t pair = 0; pair < 4; ++pair) {
    const double angle = places[pair] * std::pow(10000, -static_cast<double>(pair) / 4);
    EXPECT_NEAR(At(rotation.sines, {0, pair}), std::sin(angle), 1e-7) << pair;
  }
}

TEST(Rotary, NeighboursAreThePairs) {
  const at::Tensor x = Drawn({2, 3, 2, 4});
  const Rotation rotation = Rotary::OfAxes({4}, 10000).At(LinePositions({5}, {1}, 3, at::kCPU));
  const at::Tensor turned = Rotated(x, rotation);
  for (int64_t token = 0; token < 3; ++token) {
    const auto angle = static_cast<double>(5 + token);
    const double a = At(x, {1, token, 1, 0}), b = At(x, {1, token, 1, 1});
    EXPECT_NEAR(At(turned, {1, token, 1, 0}), a * std::cos(angle) - b * std::sin(angle), 1e-6);
    EXPECT_NEAR(At(turned, {1, token, 1, 1}), b * std::cos(angle) + a * std::sin(angle), 1e-6);
  }
}

TEST(Rotary, OrTheTwoHalvesAre) {
  const at::Tensor x = Drawn({1, 4, 3, 6});
  const Rotation rotation = Rotary::OfAxes({6}, 10000).At(LinePositions({0}, {1}, 4, at::kCPU));
  // The same numbers in another order: the i-th of either half becomes neighbours.
  const at::Tensor beside = x.unflatten(-1, {2, 3}).transpose(-1, -2).flatten(-2);
  const at::Tensor turned = Rotated(beside, rotation).unflatten(-1, {3, 2}).transpose(-1, -2).flatten(-2);
  EXPECT_TRUE(at::equal(Rotated(x, rotation, RotaryPairs::kHalves), turned));
}

TEST(Rotary, ProductsHangOnTheDistanceAlone) {
  const Rotary rotary = Rotary::OfAxes({4, 6, 6}, 10000);
  const at::Tensor q = Drawn({1, 1, 1, 16}), k = Drawn({1, 1, 1, 16}, 2);
  const auto product = [&](const std::vector<int64_t>& of_q, const std::vector<int64_t>& of_k) {
    return (Rotated(q, rotary.At(at::tensor(of_q).unsqueeze(0))) *
            Rotated(k, rotary.At(at::tensor(of_k).unsqueeze(0))))
        .sum()
        .item<double>();
  };
  EXPECT_NEAR(product({0, 3, 9}, {1, 5, 2}), product({40, 103, -1}, {41, 105, -8}), 1e-5);
  EXPECT_GT(std::abs(product({0, 3, 9}, {1, 5, 2}) - product({0, 3, 9}, {1, 5, 3})), 1e-3);
}

TEST(Rotary, FarPlacesKeepTheirFraction) {
  const Rotation rotation = Rotary::OfAxes({4}, 10000).At(LinePositions({1000000}, {1}, 1, at::kCPU));
  EXPECT_NEAR(At(rotation.cosines, {0, 1}), std::cos(10000.0), 1e-6);
}

TEST(Rotary, PositionsMayBeARowsOwn) {
  const Rotary rotary = Rotary::OfAxes({4}, 10000);
  const at::Tensor x = Drawn({2, 3, 2, 4});
  const at::Tensor first = LinePositions({0}, {1}, 3, at::kCPU),
                   second = LinePositions({9}, {2}, 3, at::kCPU);
  const at::Tensor both = Rotated(x, rotary.At(at::stack({first, second})));
  EXPECT_TRUE(at::equal(both.narrow(0, 0, 1), Rotated(x.narrow(0, 0, 1), rotary.At(first))));
  EXPECT_TRUE(at::equal(both.narrow(0, 1, 1), Rotated(x.narrow(0, 1, 1), rotary.At(second))));
}

TEST(Rotary, TheTypeOfXIsKept) {
  const at::Tensor x = Drawn({1, 3, 2, 4});
  const Rotation rotation = Rotary::OfAxes({4}, 10000).At(LinePositions({0}, {1}, 3, at::kCPU));
  const at::Tensor turned = Rotated(x.to(at::kBFloat16), rotation);
  EXPECT_EQ(turned.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(turned, Rotated(x.to(at::kBFloat16).to(at::kFloat), rotation).to(at::kBFloat16)));
}

TEST(Rotary, PositionsOfGridsAndLines) {
  EXPECT_TRUE(at::equal(
      GridPositions({7, 1, -1}, 2, 3, at::kCPU),
      at::tensor({7, 1, -1, 7, 1, 0, 7, 1, 1, 7, 2, -1, 7, 2, 0, 7, 2, 1}, at::kLong).view({6, 3})));
  EXPECT_TRUE(at::equal(GridPositions({10, 0, 0, 4}, 1, 2, at::kCPU),
                        at::tensor({10, 0, 0, 4, 10, 0, 1, 4}, at::kLong).view({2, 4})));
  EXPECT_TRUE(at::equal(LinePositions({1, 0, 5}, {1, 0, 2}, 3, at::kCPU),
                        at::tensor({1, 0, 5, 2, 0, 7, 3, 0, 9}, at::kLong).view({3, 3})));
}

TEST(Rotary, NothingIsTurnedAtTheOrigin) {
  const at::Tensor x = Drawn({1, 2, 1, 4});
  EXPECT_TRUE(at::equal(Rotated(x, Rotary::OfAxes({2, 2}, 10000).At(at::zeros({2, 2}, at::kLong))), x));
}

}  // namespace
}  // namespace mind::diffusion
