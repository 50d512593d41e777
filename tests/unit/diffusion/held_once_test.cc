#include "worker/diffusion/weights/held_once.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace mind::diffusion {
namespace {

at::Tensor Weights(int64_t rows = 64, int64_t columns = 128) {
  return at::arange(rows * columns, at::kFloat).reshape({rows, columns});
}
// Whether they lie in the same memory, each as a tensor of its own.
bool Together(const at::Tensor& one, const at::Tensor& other) {
  return one.data_ptr() == other.data_ptr() && one.unsafeGetTensorImpl() != other.unsafeGetTensorImpl();
}

TEST(HeldOnce, TheSameNumbersLieInOnePlace) {
  HeldOnce held;
  const at::Tensor first = held.Shared(Weights()), second = held.Shared(Weights());
  EXPECT_TRUE(Together(first, second));
  EXPECT_TRUE(at::equal(second, Weights()));
  EXPECT_EQ(held.bytes(), static_cast<int64_t>(first.nbytes()));
}

TEST(HeldOnce, WhatDiffersInOneNumberDoesNot) {
  HeldOnce held;
  const at::Tensor first = held.Shared(Weights());
  at::Tensor other = Weights();
  other[1][1] += 1;  // not among those looked at
  EXPECT_FALSE(Together(first, held.Shared(other)));
}

TEST(HeldOnce, NorWhatDiffersInShapeTypeOrLayout) {
  HeldOnce held;
  const at::Tensor first = held.Shared(Weights());
  EXPECT_FALSE(Together(first, held.Shared(Weights(128, 64))));
  EXPECT_FALSE(Together(first, held.Shared(Weights().to(at::kDouble))));
  const at::Tensor map = Weights(64, 128).reshape({8, 16, 8, 8});
  const at::Tensor rows = held.Shared(map),
                   channels = held.Shared(map.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(Together(rows, channels));
  EXPECT_TRUE(channels.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor again = held.Shared(map.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(Together(channels, again));
  EXPECT_TRUE(again.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(HeldOnce, APartOfSomethingLargerIsLeftAsItIs) {
  HeldOnce held;
  const at::Tensor large = Weights(128, 128);
  const at::Tensor part = large.narrow(0, 0, 64);
  EXPECT_EQ(held.Shared(part).data_ptr(), large.data_ptr());
  const at::Tensor clone = held.Shared(part.clone());
  EXPECT_FALSE(Together(part, clone));
  EXPECT_EQ(held.bytes(), static_cast<int64_t>(part.nbytes()));  // the clone's
}

TEST(HeldOnce, WhatNobodyHoldsIsGone) {
  HeldOnce held;
  {
    const at::Tensor first = held.Shared(Weights());
    EXPECT_GT(held.bytes(), 0);
  }
  EXPECT_EQ(held.bytes(), 0);
  const at::Tensor next = held.Shared(Weights());
  EXPECT_TRUE(at::equal(next, Weights()));
  EXPECT_EQ(held.bytes(), static_cast<int64_t>(next.nbytes()));
}

}  // namespace
}  // namespace mind::diffusion
