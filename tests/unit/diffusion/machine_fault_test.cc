#include "worker/diffusion/machine_fault.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>

namespace mind::diffusion {
namespace {

MachineFault FaultSaid(const std::string& message) {
  try {
    TORCH_CHECK(false, message);
  } catch (...) {
    return FaultOf(std::current_exception());
  }
  return MachineFault::kNone;
}

TEST(MachineFault, MemoryOfTheHost) {
  EXPECT_EQ(FaultOf(std::make_exception_ptr(std::bad_alloc())), MachineFault::kOutOfMemory);
  EXPECT_EQ(FaultSaid("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            MachineFault::kOutOfMemory);
}

TEST(MachineFault, MemoryOfADeviceIsNoLossOfIt) {
  for (const char* text :
       {"CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"}) {
    EXPECT_EQ(FaultSaid(text), MachineFault::kOutOfDeviceMemory) << text;
    EXPECT_TRUE(IsOutOfMemory(std::make_exception_ptr(c10::Error(text, "")))) << text;
  }
}

TEST(MachineFault, ALostDevice) {
  for (const char* text :
       {"CUDA error: an illegal memory access was encountered", "CUDA error: device-side assert triggered",
        "CUDA error: unspecified launch failure", "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: misaligned address", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"}) {
    EXPECT_EQ(FaultSaid(text), MachineFault::kDeviceLost) << text;
  }
}

TEST(MachineFault, AnythingElseIsNotTheMachines) {
  EXPECT_EQ(FaultOf(nullptr), MachineFault::kNone);
  EXPECT_EQ(FaultOf(std::make_exception_ptr(std::runtime_error("out of memory"))), MachineFault::kNone);
  EXPECT_EQ(FaultOf(std::make_exception_ptr(7)), MachineFault::kNone);
  EXPECT_EQ(FaultSaid("CUDA error: invalid argument"), MachineFault::kNone);
  EXPECT_EQ(FaultSaid("shape '[7]' is invalid for input of size 6"), MachineFault::kNone);
}

}  // namespace
}  // namespace mind::diffusion
