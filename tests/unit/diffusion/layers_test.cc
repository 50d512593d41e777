#include "worker/diffusion/models/layers.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <tuple>
#include <utility>

#include "worker/diffusion/engine/idle_cores.h"
#include "worker/diffusion/weights/fresh_parameters.h"

namespace mind::diffusion {
namespace {

// Kernel, in, out, height, width, rows.
using Convolution = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;

class LayersConvolutionTest : public testing::TestWithParam<Convolution> {};

TEST_P(LayersConvolutionTest, InBandsIsTheWholeWhoeverHelps) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  const auto [kernel, in, out, height, width, rows] = GetParam();
  FreshParameters parameters(FreshParameters::Values::kRandom);
  const ConvShape shape{.kernel = kernel, .stride = 1, .padding = kernel / 2};
  const Conv2d convolution(Scope(parameters), in, out, shape);
  FreshParameters again(FreshParameters::Values::kRandom);
  const Scope scope(again);
  const at::Tensor weight = scope.Take("weight", {out, in, kernel, kernel}), bias = scope.Take("bias", {out});
  const at::Tensor x = at::randn({rows, in, height, width});
  const at::Tensor alone = convolution(x);
  EXPECT_TRUE(at::allclose(alone, at::conv2d(x, weight, bias, 1, kernel / 2), 1e-4, 1e-4));
  for (const int threads : {1, 2, 3}) {
    IdleCores cores(threads);
    const HandsScope hands(cores);
    EXPECT_TRUE(at::equal(convolution(x), alone)) << threads;
  }
}

// In one pass, of each row with its own scale and shift, what LibTorch makes of it in three.
TEST(LayersGroupNorm, ActivatedAndModulated) {
  FreshParameters parameters(FreshParameters::Values::kRandom);
  const GroupNorm norm(Scope(parameters), 4, 12, 1e-5);
  const at::Tensor x = at::randn({2, 12, 5, 7}), scale = at::randn({2, 12}), shift = at::randn({2, 12});
  const auto made = [&](Activation activation) {
    return std::pair(norm.Activated(x, activation), norm.Modulated(x, scale, shift, activation));
  };
  for (const Activation activation : {Activation::kSilu, Activation::kGelu}) {
    const auto expected = made(activation);  // gradients may be taken: by LibTorch
    const c10::InferenceMode inference;
    const auto got = made(activation);
    EXPECT_TRUE(at::allclose(got.first, expected.first, 1e-5, 1e-5));
    EXPECT_TRUE(at::allclose(got.second, expected.second, 1e-5, 1e-5));
  }
}

INSTANTIATE_TEST_SUITE_P(All, LayersConvolutionTest,
                         testing::Values(Convolution{3, 8, 4, 16, 16, 1},      // in one piece
                                         Convolution{3, 64, 3, 257, 256, 1},   // the last band is one line
                                         Convolution{3, 32, 16, 301, 299, 2},  // two rows
                                         Convolution{1, 64, 8, 256, 256, 1}));

}  // namespace
}  // namespace mind::diffusion
