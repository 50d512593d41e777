#include "worker/diffusion/kernels/set.h"

namespace mind::diffusion::kernels {
namespace {

struct BaselineIsa {
  static constexpr int kLanes = 4, kRows = 4;
};

}  // namespace

extern const Kernels kBaseline;
constexpr Kernels kBaseline = MakeKernels<BaselineIsa>("baseline");

}  // namespace mind::diffusion::kernels
