// The fused group norm on a CUDA device. Built where a CUDA compiler is (cmake/CudaKernels.cmake); without
// headers of LibTorch, whose compilation by NVIDIA's compiler takes half a minute a file.
#ifndef MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_CUDA_H_
#define MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_CUDA_H_

#include "worker/diffusion/device/nhwc_norm_plan.h"

struct CUstream_st;  // what CUDA's cudaStream_t points to

namespace mind::diffusion::nhwc_norm {

enum class Element { kFloat, kHalf, kBFloat16 };

// Pointers into the memory of the current device, aligned to the plan's lanes.
struct CudaCall {
  NhwcNormPlan plan;
  Element element = Element::kFloat;
  int64_t rows = 0;              // 1 to 65535
  const void* x = nullptr;       // [rows, pixels, channels]
  const void* weight = nullptr;  // [channels]
  const void* bias = nullptr;    // [channels]
  float* partials = nullptr;     // [rows, chunks, groups, 2], to work in
  void* out = nullptr;           // as x
  float epsilon = 0;
  bool silu = false;
  CUstream_st* stream = nullptr;
};

// Queues it and returns. Null, or what CUDA says is wrong.
const char* Launch(const CudaCall& call);

}  // namespace mind::diffusion::nhwc_norm

#endif  // MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_CUDA_H_
