#include "worker/diffusion/models/attention.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include <cmath>
#include <limits>

namespace mind::diffusion {
namespace {

// Counts what this thread holds of the CPU's memory.
class Held : public c10::MemoryReportingInfoBase {
 public:
#if TORCH_VERSION_MAJOR >= 2
  using Total = size_t;
#else
  using Total = int64_t;
#endif
  void reportMemoryUsage(void*, int64_t bytes, Total, Total, c10::Device) override {
    now_ += bytes;
    most = std::max(most, now_);
  }
  bool memoryProfilingEnabled() const override {
    return true;
  }

  int64_t most = 0;

 private:
  int64_t now_ = 0;
};

// The formula, in double.
at::Tensor ExpectedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                             const at::Tensor& mask) {
  const auto split = [heads](const at::Tensor& x) {
    return x.to(at::kDouble).reshape({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
  };
  at::Tensor logits = at::matmul(split(q), split(k).transpose(2, 3));
  logits = logits / std::sqrt(static_cast<double>(q.size(2)) / static_cast<double>(heads));
  if (mask.defined()) logits = logits + mask;
  return at::matmul(at::softmax(logits, -1), split(v)).transpose(1, 2).reshape(q.sizes()).to(at::kFloat);
}

struct Case {
  int64_t batch, queries, keys, heads, width;
};

class AttentionTest : public testing::TestWithParam<Case> {};

TEST_P(AttentionTest, IsTheFormulaWhateverTheBlocks) {
  const c10::InferenceMode inference;
  at::manual_seed(1);
  const auto [batch, queries, keys, heads, width] = GetParam();
  const at::Tensor q = at::randn({batch, queries, heads * width}),
                   k = at::randn({batch, keys, heads * width}), v = at::randn({batch, keys, heads * width});
  const at::Tensor before = q.clone();
  const std::vector<at::Tensor> masks = {{},
                                         at::randn({queries, keys}),
                                         at::randn({batch, 1, 1, keys}),
                                         at::randn({batch, heads, queries, keys})};
  for (const at::Tensor& mask : masks) {
    const at::Tensor out = MultiHeadAttention(q, k, v, heads, mask);
    EXPECT_TRUE(at::allclose(out, ExpectedAttention(q, k, v, heads, mask), 1e-4, 1e-5));
  }
  EXPECT_TRUE(at::equal(q, before));
}

INSTANTIATE_TEST_SUITE_P(All, AttentionTest,
                         testing::Values(Case{1, 1, 1, 1, 8}, Case{2, 77, 77, 4, 16}, Case{3, 100, 7, 2, 8},
                                         Case{1, 1500, 1500, 3, 8}, Case{2, 300, 300, 24, 4},
                                         Case{1, 40, 90000, 2, 4},     // many keys
                                         Case{1, 2500, 289, 1, 40}));  // queries in two blocks, keys in two

// A row's numbers are its own, to the bit.
TEST(Attention, ARowDoesNotDependOnTheOthers) {
  const c10::InferenceMode inference;
  const at::Tensor x = at::randn({4, 200, 32});
  const at::Tensor together = MultiHeadAttention(x, x, x, 4);
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor one = x.narrow(0, i, 1);
    EXPECT_TRUE(at::equal(MultiHeadAttention(one, one, one, 4)[0], together[i])) << i;
  }
}

// 16384 tokens: in one piece the logits are 1 GiB, and the softmax as much again.
TEST(Attention, MemoryIsBoundedWhateverTheLength) {
  const c10::InferenceMode inference;
  const at::Tensor x = at::randn({1, 16384, 8});
  const auto held = std::make_shared<Held>();
  {
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, held);
    MultiHeadAttention(x, x, x, 1);
  }
  EXPECT_GT(held->most, int64_t{16384} * 8 * 4);  // what comes out
  EXPECT_LT(held->most, int64_t{4} << 20);
}

TEST(Attention, GradientsFlow) {
  const at::Tensor x = at::randn({1, 10, 8}).set_requires_grad(true);
  EXPECT_TRUE(MultiHeadAttention(x, x, x, 2).requires_grad());
}

// As a padded prompt's unused places are, with a mask of the least number there is; some hundreds of keys are
// in hand at a time.
TEST(AttentionMasks, AQueryAllOfWhoseKeysAreMaskedSeesThemAlike) {
  const c10::InferenceMode inference;
  at::manual_seed(2);
  for (const int64_t keys : {5, 700}) {
    const at::Tensor q = at::randn({1, 3, 16}), k = at::randn({1, keys, 16}), v = at::randn({1, keys, 16});
    at::Tensor mask = at::zeros({1, 1, 3, keys});
    mask.select(2, 0).fill_(std::numeric_limits<float>::lowest());
    mask.select(2, 1).narrow(2, 0, keys - 1).fill_(std::numeric_limits<float>::lowest());
    const at::Tensor out = MultiHeadAttention(q, k, v, 2, mask);
    EXPECT_TRUE(at::allclose(out.select(1, 0), v.mean(1), 1e-5, 1e-5)) << keys;
    EXPECT_TRUE(at::allclose(out.select(1, 1), v.select(1, keys - 1), 1e-5, 1e-5)) << keys;
    EXPECT_TRUE(at::isfinite(out).all().item<bool>()) << keys;
  }
}

}  // namespace
}  // namespace mind::diffusion
