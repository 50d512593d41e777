#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "worker/diffusion/device/nhwc_norm_cuda.h"
#include "worker/diffusion/device/nhwc_norm_parts.h"

namespace mind::diffusion::nhwc_norm {
namespace {

// Grid [chunks, rows] of both.
template <typename T, int kLanes>
__global__ void MomentsKernel(NhwcNormPlan plan, const T* x, float* partials) {
  extern __shared__ float shared[];
  const int chunk = blockIdx.x, thread = threadIdx.x;
  const int64_t row = blockIdx.y;
  SumPixels<T, kLanes>(plan, x + row * plan.pixels * plan.channels, chunk, thread, shared);
  __syncthreads();
  JoinLevels(plan, chunk, thread, shared);
  __syncthreads();
  JoinChannels(plan, chunk, thread, shared, partials + (row * plan.chunks + chunk) * plan.groups * 2);
}

template <typename T, int kLanes, bool kSilu>
__global__ void AppliedKernel(NhwcNormPlan plan, const T* x, const T* weight, const T* bias,
                              const float* partials, float epsilon, T* out) {
  extern __shared__ float shared[];
  const int chunk = blockIdx.x, thread = threadIdx.x;
  const int64_t row = blockIdx.y, begin = row * plan.pixels * plan.channels;
  JoinChunks(plan, partials + row * plan.chunks * plan.groups * 2, thread, shared);
  __syncthreads();
  JoinParts(plan, epsilon, thread, shared);
  __syncthreads();
  Apply<T, kLanes, kSilu>(plan, x + begin, weight, bias, chunk, thread, shared, out + begin);
}

template <typename T, int kLanes>
void Queue(const CudaCall& call) {
  const NhwcNormPlan& plan = call.plan;
  const dim3 grid(plan.chunks, static_cast<unsigned>(call.rows));
  const size_t bytes = plan.shared_floats() * sizeof(float);
  const T* x = static_cast<const T*>(call.x);
  MomentsKernel<T, kLanes><<<grid, plan.threads(), bytes, call.stream>>>(plan, x, call.partials);
  const auto applied = call.silu ? AppliedKernel<T, kLanes, true> : AppliedKernel<T, kLanes, false>;
  applied<<<grid, plan.threads(), bytes, call.stream>>>(plan, x, static_cast<const T*>(call.weight),
                                                        static_cast<const T*>(call.bias), call.partials,
                                                        call.epsilon, static_cast<T*>(call.out));
}

template <typename T>
void QueueOf(const CudaCall& call) {
  if (call.plan.lanes == 8) {
    Queue<T, 8>(call);
  } else {
    Queue<T, 4>(call);
  }
}

}  // namespace

const char* Launch(const CudaCall& call) {
  switch (call.element) {
    case Element::kFloat:
      Queue<float, 4>(call);
      break;
    case Element::kHalf:
      QueueOf<__half>(call);
      break;
    case Element::kBFloat16:
      QueueOf<__nv_bfloat16>(call);
      break;
  }
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace mind::diffusion::nhwc_norm
