#include "worker/diffusion/engine/precision.h"

#include <ATen/Context.h>

namespace mind::diffusion {

void ComputeInStrictFloat32() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

}  // namespace mind::diffusion
