#include "worker/diffusion/engine/precision.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

TEST(Precision, StrictFloat32RoundsNothingToTf32) {
  at::globalContext().setAllowTF32CuDNN(true);
  at::globalContext().setAllowTF32CuBLAS(true);
  ComputeInStrictFloat32();
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

}  // namespace
}  // namespace mind::diffusion
