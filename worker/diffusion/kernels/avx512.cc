#include "worker/diffusion/kernels/set.h"

namespace mind::diffusion::kernels {
namespace {

struct Avx512Isa {
  static constexpr int kLanes = 16, kRows = 8;
};

}  // namespace

extern const Kernels kAvx512;
constexpr Kernels kAvx512 = MakeKernels<Avx512Isa>("avx512");

}  // namespace mind::diffusion::kernels
