#include "worker/diffusion/kernels/kernels.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

namespace mind::diffusion::kernels {
namespace {

std::vector<const Kernels*> Available() {
  std::vector<const Kernels*> all;
  for (const Kernels* const* one = All(); *one != nullptr; ++one) all.push_back(*one);
  return all;
}

// Largest difference relative to the largest value.
double Off(const at::Tensor& got, const at::Tensor& wanted) {
  return (got.to(at::kDouble) - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

class KernelsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  void SetUp() override { at::manual_seed(1); }
  const Kernels& kernels() const { return *GetParam(); }

 private:
  const c10::InferenceMode inference_;
};

// Kernel, stride, padding, in, out, height, width.
using ConvolvedShape = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;
const ConvolvedShape kShapes[] = {
    {3, 1, 1, 3, 5, 7, 9},    {3, 1, 1, 50, 8, 16, 16}, {3, 1, 1, 4, 17, 64, 64}, {3, 2, 1, 9, 12, 17, 15},
    {3, 2, 0, 9, 12, 17, 15}, {1, 1, 0, 70, 9, 8, 8},   {1, 1, 0, 500, 3, 1, 1},  {3, 1, 1, 60, 8, 3, 200},
    {7, 1, 3, 3, 4, 20, 5},   {5, 3, 4, 2, 2, 3, 2},    {3, 1, 1, 1, 1, 500, 1},  {3, 1, 2, 8, 9, 10, 10},
    {8, 8, 0, 3, 16, 32, 32}, {3, 1, 1, 130, 321, 5, 5}};

at::Tensor Convolved(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& bias, int64_t stride, int64_t padding, int64_t channels_at_once) {
  const int64_t kernel = weight.size(2), height = (x.size(1) + 2 * padding - kernel) / stride + 1,
                width = (x.size(2) + 2 * padding - kernel) / stride + 1, pixels = height * width;
  const at::Tensor y = at::full({weight.size(0), height, width}, std::nan("")),
                   scratch = at::full({kConvolutionScratch}, std::nan(""));
  const Convolution convolution{.x = x.data_ptr<float>(),
                                .weight = weight.data_ptr<float>(),
                                .bias = bias.defined() ? bias.data_ptr<float>() : nullptr,
                                .y = y.data_ptr<float>(),
                                .in = x.size(0),
                                .height = x.size(1),
                                .width = x.size(2),
                                .out = weight.size(0),
                                .out_height = height,
                                .out_width = width,
                                .kernel = kernel,
                                .stride = stride,
                                .padding = padding};
  for (int64_t first = 0; first < pixels; first += kConvolvedPixels) {
    for (int64_t channel = 0; channel < weight.size(0); channel += channels_at_once)
      kernels.convolve(convolution, first, std::min(first + kConvolvedPixels, pixels), channel,
                       std::min(channel + channels_at_once, weight.size(0)), scratch.data_ptr<float>());
  }
  return y;
}

TEST_P(KernelsTest, ConvolutionsAreTheFormulaHoweverDivided) {
  for (const auto& [kernel, stride, padding, in, out, height, width] : kShapes) {
    const at::Tensor x = at::randn({in, height, width}), weight = at::randn({out, in, kernel, kernel}),
                     bias = at::randn({out});
    for (const at::Tensor& some : {bias, at::Tensor()}) {
      const at::Tensor y = Convolved(kernels(), x, weight, some, stride, padding, 320);
      const at::Tensor wanted = at::conv2d(x.to(at::kDouble).unsqueeze(0), weight.to(at::kDouble),
                                           some.defined() ? some.to(at::kDouble) : some, stride, padding)[0];
      EXPECT_LT(Off(y, wanted), 2e-6) << kernel << " " << stride << " " << in << " " << out;
      EXPECT_TRUE(at::equal(y, Convolved(kernels(), x, weight, some, stride, padding, 3)));
    }
  }
}

// Queries, keys, width.
const std::tuple<int64_t, int64_t, int64_t> kAttentions[] = {
    {1, 1, 1}, {5, 3, 40}, {8, 288, 8}, {9, 289, 64}, {33, 1000, 80}, {7, 77, 160}, {16, 300, 513}};

at::Tensor Attended(const Kernels& kernels, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& mask, int64_t mask_line) {
  const at::Tensor out = at::full({q.size(0), q.size(1)}, std::nan("")),
                   scratch = at::full({AttentionScratch(q.size(0), q.size(1))}, std::nan(""));
  kernels.attend({.q = q.data_ptr<float>(),
                  .k = k.data_ptr<float>(),
                  .v = v.data_ptr<float>(),
                  .q_line = q.stride(0),
                  .k_line = k.stride(0),
                  .v_line = v.stride(0),
                  .out = out.data_ptr<float>(),
                  .out_line = out.stride(0),
                  .mask = mask.defined() ? mask.data_ptr<float>() : nullptr,
                  .mask_line = mask_line,
                  .queries = q.size(0),
                  .keys = k.size(0),
                  .width = q.size(1),
                  .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.size(1))))},
                 scratch.data_ptr<float>());
  return out;
}

TEST_P(KernelsTest, AttentionIsTheFormula) {
  for (const auto& [queries, keys, width] : kAttentions) {
    const at::Tensor q = at::randn({queries, width}) * 3, k = at::randn({keys, width}),
                     v = at::randn({keys, 2 * width}).narrow(1, width, width);  // lines with gaps
    at::Tensor mask = at::randn({queries, keys});
    mask.select(1, 0).fill_(-std::numeric_limits<float>::infinity());
    if (keys == 1) mask.zero_();
    for (const auto& [some, line] : {std::pair(at::Tensor(), int64_t{0}), std::pair(mask, keys),
                                     std::pair(mask[0].contiguous(), int64_t{0})}) {
      const auto formula = [&, &some = some, &width = width](at::ScalarType type) {
        at::Tensor logits = at::matmul(q.to(type), k.to(type).t()) / std::sqrt(width);
        if (some.defined()) logits = logits + some.to(type);
        return at::matmul(at::softmax(logits, -1), v.to(type));
      };
      const at::Tensor wanted = formula(at::kDouble);
      // As near as LibTorch's own operators come in float, but that a product here is summed from one end to
      // the other, and there in pieces.
      EXPECT_LT(Off(Attended(kernels(), q, k, v, some, line), wanted),
                10 * Off(formula(at::kFloat), wanted) + 1e-6)
          << queries << " " << keys << " " << width;
    }
  }
}

// The first keys in hand may all be masked, and all of them: that is no number, as softmax says.
TEST_P(KernelsTest, AttentionWhereNothingIsSeen) {
  const at::Tensor q = at::randn({3, 8}), k = at::randn({600, 8}), v = at::randn({600, 8});
  at::Tensor mask = at::full({3, 600}, -std::numeric_limits<float>::infinity());
  mask[0].slice(0, 400).zero_();
  mask[1].slice(0, 0, 100).zero_();
  const at::Tensor out = Attended(kernels(), q, k, v, mask, 600);
  const at::Tensor wanted = at::matmul(
      at::softmax(at::matmul(q, k.t()).to(at::kDouble) / std::sqrt(8) + mask, -1), v.to(at::kDouble));
  EXPECT_LT(Off(out.narrow(0, 0, 2), wanted.narrow(0, 0, 2)), 2e-6);
  EXPECT_TRUE(at::isnan(out[2]).all().item<bool>());
}

TEST_P(KernelsTest, NoNumberStaysNone) {
  at::Tensor q = at::randn({2, 8});
  q[1][3] = std::nan("");
  const at::Tensor k = at::randn({20, 8});
  const at::Tensor out = Attended(kernels(), q, k, k, {}, 0);
  EXPECT_TRUE(at::isfinite(out[0]).all().item<bool>());
  EXPECT_TRUE(at::isnan(out[1]).all().item<bool>());
}

TEST_P(KernelsTest, GroupNormIsTheFormula) {
  for (const auto& [channels, pixels, groups] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {4, 1, 2}, {6, 35, 3}, {32, 4096, 2}, {8, 1031, 8}, {12, 64, 1}}) {
    // Far from zero, where squares' difference would lose what matters.
    const at::Tensor x = at::randn({1, channels, pixels}) + 100, scale = at::randn({channels}),
                     shift = at::randn({channels});
    for (const bool silu : {false, true}) {
      const at::Tensor y = at::full({1, channels, pixels}, std::nan(""));
      const GroupNorm norm{.x = x.data_ptr<float>(),
                           .scale = scale.data_ptr<float>(),
                           .shift = shift.data_ptr<float>(),
                           .y = y.data_ptr<float>(),
                           .channels = channels,
                           .pixels = pixels,
                           .groups = groups,
                           .epsilon = 1e-5,
                           .silu = silu};
      for (int64_t group = 0; group < groups; ++group) kernels().group_norm(norm, group);
      const at::Tensor normed =
          at::group_norm(x.to(at::kDouble), groups, scale.to(at::kDouble), shift.to(at::kDouble), 1e-5);
      EXPECT_LT(Off(y, silu ? at::silu(normed) : normed), 2e-6) << channels << " " << pixels;
    }
  }
}

TEST_P(KernelsTest, GeluGateIsTheFormula) {
  for (const int64_t width : {1, 16, 53}) {
    const at::Tensor x = at::randn({7, 2 * width}) * 4, y = at::full({7, width}, std::nan(""));
    kernels().gelu_gate(x.data_ptr<float>(), y.data_ptr<float>(), 7, width);
    const auto halves = x.to(at::kDouble).chunk(2, -1);
    EXPECT_LT(Off(y, halves[0] * at::gelu(halves[1])), 1e-6) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelsTest, testing::ValuesIn(Available()),
                         [](const auto& info) { return info.param->name; });

}  // namespace
}  // namespace mind::diffusion::kernels
