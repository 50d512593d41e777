#include "worker/diffusion/device/kept_memory.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Gives others their allocator back.
class KeptMemoryTest : public testing::Test {
 protected:
  KeptMemoryTest() { KeepLargeBlocks(); }
  ~KeptMemoryTest() override {
    FreeKeptBlocks();
    c10::SetCPUAllocator(before_, /*priority=*/1);
  }
  static at::Tensor Bytes(int64_t count) { return at::empty({count}, at::kByte); }

 private:
  c10::Allocator* const before_ = c10::GetCPUAllocator();
};

TEST_F(KeptMemoryTest, LargeBlocksComeAgain) {
  void* const first = Bytes(3 * kMiB).data_ptr();
  EXPECT_GE(KeptBytes(), 3 * kMiB);
  EXPECT_EQ(Bytes(3 * kMiB - 1000).data_ptr(), first);  // a little less fits
  const at::Tensor one = Bytes(3 * kMiB), other = Bytes(3 * kMiB);
  EXPECT_EQ(one.data_ptr(), first);
  EXPECT_NE(other.data_ptr(), first);
  EXPECT_EQ(KeptBytes(), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(other.data_ptr()) % 64, 0);
}

TEST_F(KeptMemoryTest, NeitherTheSmallNorTheLargestNorTooManyAreKept) {
  Bytes(1000);
  Bytes(100 * kMiB);
  EXPECT_EQ(KeptBytes(), 0);
  std::vector<at::Tensor> many(10);
  for (at::Tensor& one : many) one = Bytes(50 * kMiB);
  many.clear();
  EXPECT_GT(KeptBytes(), 200 * kMiB);
  EXPECT_LE(KeptBytes(), 256 * kMiB);
  FreeKeptBlocks();
  EXPECT_EQ(KeptBytes(), 0);
}

TEST_F(KeptMemoryTest, EveryByteIsThere) {
  for (const int64_t bytes : {kMiB / 2, 4 * kMiB, 5 * kMiB + 1, 70 * kMiB}) {
    const at::Tensor tensor = Bytes(bytes).fill_(7);
    EXPECT_EQ(tensor[0].item<int>(), 7);
    EXPECT_EQ(tensor[bytes - 1].item<int>(), 7);
  }
}

// Tensors of before and after it came and went are given back to whom they belong.
TEST_F(KeptMemoryTest, RawMemoryIsFreedByTheSame) {
  c10::Allocator* const allocator = c10::GetCPUAllocator();
  for (const size_t bytes : {size_t{10}, size_t{3} << 20})
    allocator->raw_deallocate(allocator->raw_allocate(bytes));
  EXPECT_GE(KeptBytes(), 3 * kMiB);
}

TEST_F(KeptMemoryTest, WhatCannotBeHadIsRefusedInLibTorchsWords) {
  try {
    Bytes(int64_t{1} << 46);
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("can't allocate memory"), std::string::npos);
  }
}

}  // namespace
}  // namespace mind::diffusion
