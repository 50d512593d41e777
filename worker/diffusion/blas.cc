#include "worker/diffusion/blas.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace mind {
namespace {

constexpr char kVariable[] = "OPENBLAS_CORETYPE";

// By name at run time: which BLAS is linked is the LibTorch's business.
const char* CoreName() {
  using GetCoreName = char* (*)();
  const auto get = reinterpret_cast<GetCoreName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return get != nullptr ? get() : nullptr;
}

const char* BestCoreType() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return "SKYLAKEX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "HASWELL";
#endif
  return nullptr;
}

}  // namespace

void ChooseBlasKernels(char** argv) {
  const std::string core = BlasName();
  const bool fallen_back = core == "Prescott" || core == "Core2" || core == "Generic";
  const char* const best = BestCoreType();
  if (!fallen_back || best == nullptr || std::getenv(kVariable) != nullptr) return;
  setenv(kVariable, best, 1);
  execv("/proc/self/exe", argv);
  // Still here: the slow kernels work too.
  unsetenv(kVariable);
}

std::string BlasName() {
  const char* const name = CoreName();
  return name != nullptr ? name : "none";
}

}  // namespace mind
