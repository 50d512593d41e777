#include "worker/diffusion/device/nhwc_norm.h"

#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "worker/diffusion/device/nhwc_norm_plan.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/fresh_parameters.h"

namespace mind::diffusion {
namespace {

// Channels, groups, height, width, rows.
using Shape = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>;

void InOrder(size_t count, const std::function<void(size_t)>& block) {
  for (size_t i = 0; i < count; ++i) block(i);
}

void Backwards(size_t count, const std::function<void(size_t)>& block) {
  for (size_t i = count; i > 0; --i) block(i - 1);
}

at::Tensor Random(at::IntArrayRef shape, at::ScalarType type, double mean = 0) {
  return (at::randn(shape) + mean).to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

// In float64, of the same numbers.
at::Tensor Exact(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                 const NhwcNorm& norm) {
  const at::Tensor y = at::group_norm(x.to(at::kDouble).contiguous(), norm.groups, weight.to(at::kDouble),
                                      bias.to(at::kDouble), norm.epsilon);
  return norm.silu ? at::silu(y) : y;
}

double Furthest(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b).abs().max().item<double>();
}

class NhwcNormShapeTest : public testing::TestWithParam<Shape> {};

TEST_P(NhwcNormShapeTest, IsGroupNormAndSilu) {
  const c10::InferenceMode inference;
  const auto [channels, groups, height, width, rows] = GetParam();
  // The last place of each type, at the largest values of normal numbers.
  for (const auto& [type, tolerance] :
       {std::pair{at::kFloat, 1e-5}, std::pair{at::kHalf, 4e-3}, std::pair{at::kBFloat16, 3e-2}}) {
    at::manual_seed(7);
    const at::Tensor x = Random({rows, channels, height, width}, type);
    const at::Tensor weight = at::rand({channels}).to(type), bias = at::randn({channels}).to(type);
    ASSERT_TRUE(HasNhwcNorm(x, weight, groups));
    for (const bool silu : {false, true}) {
      const NhwcNorm norm{.groups = groups, .epsilon = 1e-5, .silu = silu};
      const at::Tensor y = NhwcNormed(x, weight, bias, norm, InOrder);
      EXPECT_EQ(y.scalar_type(), type);
      EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_LT(Furthest(y, Exact(x, weight, bias, norm)), tolerance) << type << silu;
      // Whatever the order of blocks, and alone.
      EXPECT_TRUE(at::equal(NhwcNormed(x, weight, bias, norm, Backwards), y));
      const at::Tensor alone = x.narrow(0, rows - 1, 1).clone(at::MemoryFormat::ChannelsLast);
      EXPECT_TRUE(at::equal(NhwcNormed(alone, weight, bias, norm, InOrder), y.narrow(0, rows - 1, 1)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, NhwcNormShapeTest,
                         testing::Values(Shape{320, 32, 17, 13, 2},   // groups of ten: lanes straddle them
                                         Shape{4, 1, 3, 2, 3},        // fewer pixels than levels
                                         Shape{12, 3, 5, 7, 1},       // no eight lanes
                                         Shape{128, 32, 96, 128, 1},  // more than a chunk, the last one short
                                         Shape{2560, 32, 2, 2, 2}, Shape{4096, 256, 3, 3, 1}));

TEST(NhwcNormTest, AMeanFarFromZeroCostsNothing) {
  const c10::InferenceMode inference;
  at::manual_seed(7);
  const at::Tensor x = Random({1, 64, 48, 48}, at::kFloat, /*mean=*/1000);
  // The first number of all, which the others are compared with, far from them.
  x[0][0][0][0] = -1000;
  const at::Tensor weight = at::ones({64}), bias = at::zeros({64});
  const NhwcNorm norm{.groups = 8};
  // A few last places of a thousand, over a deviation of about one.
  EXPECT_LT(Furthest(NhwcNormed(x, weight, bias, norm, InOrder), Exact(x, weight, bias, norm)), 5e-4);
}

TEST(NhwcNormTest, AConstantMapIsItsBias) {
  const c10::InferenceMode inference;
  const at::Tensor x = at::full({1, 8, 9, 9}, 3.5).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weight = at::rand({8}), bias = at::randn({8});
  const at::Tensor y = NhwcNormed(x, weight, bias, {.groups = 2}, InOrder);
  // Its numbers times 1/sqrt(epsilon), and back.
  EXPECT_LT(Furthest(y, bias.reshape({1, 8, 1, 1}).to(at::kDouble)), 1e-3);
}

TEST(NhwcNormTest, WhatItDoesNotTake) {
  const c10::InferenceMode inference;
  const at::Tensor x = Random({1, 64, 8, 8}, at::kFloat), weight = at::ones({64});
  EXPECT_TRUE(HasNhwcNorm(x, weight, 32));
  EXPECT_FALSE(HasNhwcNorm(x.contiguous(), weight, 32)) << "channels first";
  EXPECT_FALSE(HasNhwcNorm(x, weight.to(at::kHalf), 32)) << "two types";
  EXPECT_FALSE(HasNhwcNorm(x.to(at::kDouble), weight.to(at::kDouble), 32));
  EXPECT_FALSE(HasNhwcNorm(Random({1, 6, 8, 8}, at::kFloat), at::ones({6}), 2))
      << "not four channels at a time";
  EXPECT_FALSE(HasNhwcNorm(Random({1, 8192, 2, 2}, at::kFloat), at::ones({8192}), 32));
  EXPECT_FALSE(HasNhwcNorm(at::randn({2, 64, 8}), weight, 32)) << "not a map";
  EXPECT_FALSE(HasNhwcNorm(x.narrow(0, 0, 0), weight, 32)) << "nothing in it";
  const c10::InferenceMode trains(false);
  const c10::AutoGradMode gradients(true);
  EXPECT_FALSE(HasNhwcNorm(Random({1, 64, 8, 8}, at::kFloat), at::ones({64}), 32));
}

TEST(NhwcNormTest, PlansCoverEveryNumberOnceWithinWhatACardGrants) {
  for (const int64_t bytes : {2, 4}) {
    for (int64_t channels = 4; channels <= 4096; channels += 4) {
      for (const int64_t pixels : {1, 63, 64, 4096, 262144, 1048577}) {
        const auto plan = PlanNhwcNorm(pixels, channels, channels % 32 == 0 ? 32 : 1, bytes);
        ASSERT_TRUE(plan);
        ASSERT_EQ(plan->columns * plan->lanes, channels);
        ASSERT_LE(plan->threads(), 1024);
        ASSERT_LE(plan->shared_floats() * 4, 48 << 10);
        ASSERT_LE(plan->lanes * bytes, 16);
        ASSERT_LE(plan->chunks, 256);
        ASSERT_LT(plan->begin(plan->chunks - 1), plan->end(plan->chunks - 1));
        ASSERT_EQ(plan->end(plan->chunks - 1), pixels);
      }
    }
  }
  EXPECT_FALSE(PlanNhwcNorm(64, 64, 5, 4)) << "groups that do not divide the channels";
}

// As networks call it: the same numbers as with channels first.
TEST(NhwcNormTest, LayersTakeIt) {
  const c10::InferenceMode inference;
  at::manual_seed(7);
  FreshParameters parameters(FreshParameters::Values::kRandom);
  const GroupNorm norm(Scope(parameters), 32, 64, 1e-6);
  const at::Tensor x = Random({2, 64, 8, 8}, at::kFloat), first = x.contiguous();
  EXPECT_TRUE(norm(x).is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::allclose(norm(x), norm(first), 1e-5, 1e-5));
}

}  // namespace
}  // namespace mind::diffusion
