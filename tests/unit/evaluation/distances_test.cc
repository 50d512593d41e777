#include "worker/evaluation/distances.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mind::evaluation {
namespace {

at::Tensor Sample(int64_t count, double mean, double deviation, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({count, 3}, at::kDouble) * deviation + mean;
}

TEST(Distances, FrechetOfASetFromItselfIsNothing) {
  const at::Tensor x = Sample(50, 1, 2, 1);
  EXPECT_NEAR(FrechetDistance(x, x), 0, 1e-9);
}

TEST(Distances, FrechetOfNormalDistributionsIsKnown) {
  // Three independent features: 3 (difference of means)² + 3 (difference of deviations)².
  EXPECT_NEAR(FrechetDistance(Sample(200000, 0, 1, 1), Sample(200000, 2, 3, 2)), 3 * 4 + 3 * 4, 0.2);
}

TEST(Distances, FrechetDoesNotDependOnTheAxes) {
  const at::Tensor x = Sample(500, 0, 1, 1),
                   y = Sample(500, 1, 2, 2) * at::tensor({1.0, 5.0, 0.1}, at::kDouble);
  const at::Tensor turn = std::get<0>(at::linalg_qr(Sample(3, 0, 1, 3)));
  EXPECT_NEAR(FrechetDistance(x, y), FrechetDistance(at::mm(x, turn), at::mm(y, turn)), 1e-8);
  EXPECT_NEAR(FrechetDistance(x, y), FrechetDistance(y, x), 1e-8);
}

// Fewer pictures than features: the covariances have no inverse.
TEST(Distances, FrechetOfFewPicturesIsFinite) {
  at::manual_seed(1);
  const double distance = FrechetDistance(at::randn({4, 32}), at::randn({5, 32}));
  EXPECT_TRUE(std::isfinite(distance));
  EXPECT_GT(distance, 0);
}

TEST(Distances, KernelFollowsItsDefinition) {
  const at::Tensor x = Sample(7, 0, 1, 1), y = Sample(5, 1, 1, 2);
  const auto kernel = [](const at::Tensor& a, const at::Tensor& b) {
    return std::pow((a * b).sum().item<double>() / 3 + 1, 3);
  };
  double xx = 0, yy = 0, xy = 0;
  for (int64_t i = 0; i < 7; ++i) {
    for (int64_t j = 0; j < 7; ++j) xx += i == j ? 0 : kernel(x[i], x[j]) / (7 * 6);
    for (int64_t j = 0; j < 5; ++j) xy += kernel(x[i], y[j]) / (7 * 5);
  }
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < 5; ++j) yy += i == j ? 0 : kernel(y[i], y[j]) / (5 * 4);
  }
  EXPECT_NEAR(KernelDistance(x, y), xx + yy - 2 * xy, 1e-9);
}

TEST(Distances, KernelIsUnbiased) {
  double sum = 0;
  for (uint64_t i = 0; i < 200; ++i)
    sum += KernelDistance(Sample(20, 0, 1, 2 * i), Sample(20, 0, 1, 2 * i + 1));
  EXPECT_NEAR(sum / 200, 0, 0.1);
}

}  // namespace
}  // namespace mind::evaluation
