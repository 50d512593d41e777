#include "worker/diffusion/kernels/set.h"

namespace mind::diffusion::kernels {
namespace {

struct Avx2Isa {
  static constexpr int kLanes = 8, kRows = 4;
};

}  // namespace

extern const Kernels kAvx2;
constexpr Kernels kAvx2 = MakeKernels<Avx2Isa>("avx2");

}  // namespace mind::diffusion::kernels
