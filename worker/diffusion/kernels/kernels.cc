#include "worker/diffusion/kernels/kernels.h"

namespace mind::diffusion::kernels {

extern const Kernels kBaseline;
#if defined(__x86_64__)
extern const Kernels kAvx2, kAvx512;
#endif

namespace {

struct Available {
  const Kernels* all[4] = {&kBaseline};  // null behind the last
  int best = 0;

  Available() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all[++best] = &kAvx2;
    if (best > 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      all[++best] = &kAvx512;
#endif
  }
};

const Available& Found() {
  static const Available found;
  return found;
}

}  // namespace

int64_t AttentionScratch(int64_t queries, int64_t width) {
  // By the widest vectors and tiles there are.
  constexpr int64_t kLanes = 16, kRows = 8;
  const int64_t rows = (queries + kRows - 1) / kRows * kRows, line = (width + kLanes - 1) / kLanes * kLanes;
  return rows * (width + line + 1 + kLanes) + (kAttendedKeys + kLanes) * width + kAttendedKeys * line +
         kRows * kAttendedKeys;
}

const Kernels& Best() {
  return *Found().all[Found().best];
}

const Kernels* const* All() {
  return Found().all;
}

}  // namespace mind::diffusion::kernels
