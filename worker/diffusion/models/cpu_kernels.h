// The kernels of kernels/ on tensors: in float32, on a CPU, where nobody takes gradients. Large ones work in
// parts (parts.h), which idle processors may take.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CPU_KERNELS_H_
#define MIND_WORKER_DIFFUSION_MODELS_CPU_KERNELS_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// Whether the functions below may take it.
bool HasCpuKernels(const at::Tensor& x);

// As MultiHeadAttention.
at::Tensor AttendOnCpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                       const at::Tensor& mask);

// As at::conv2d. x [B, in, H, W], weight [out, in, k, k], bias [out] or undefined.
at::Tensor ConvolveOnCpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         int64_t stride, int64_t padding);

// As at::group_norm, then at::silu where wanted, in one pass. x [B, C, ..]; weight and bias [C], or [B, C]:
// of each row its own.
at::Tensor GroupNormOnCpu(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                          const at::Tensor& bias, double epsilon, bool silu);

// [.., 2·width] → [.., width]: the first half times gelu of the second.
at::Tensor GeluGateOnCpu(const at::Tensor& x);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CPU_KERNELS_H_
