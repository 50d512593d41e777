// GroupNorm with the activation after it in one pass over maps whose channels are last in memory.
//
// LibTorch's CUDA kernel wants channels first and copies the map there and back, and an activation by itself
// reads and writes it once more: three times the traffic of what does nothing but traffic. On a CPU the same
// kernel runs block by block (nhwc_norm_parts.h).
#ifndef MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_H_
#define MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_H_

#include <ATen/ATen.h>

#include <functional>

namespace mind::diffusion {

struct NhwcNorm {
  int64_t groups = 1;
  double epsilon = 1e-5;
  bool silu = false;
};

// Runs block(0) to block(count - 1), in any order and on any threads, and returns when all are done.
using RunBlocks = std::function<void(size_t count, const std::function<void(size_t)>& block)>;

// Whether NhwcNormed takes this x: four dimensions, channels last in memory (and not first as well), float32,
// float16 or bfloat16, of a shape that the kernel serves, on a CPU, or on CUDA where the kernels were built
// (MIND_CUDA_KERNELS), and nobody takes gradients.
bool HasNhwcNorm(const at::Tensor& x, const at::Tensor& weight, int64_t groups);

// x [B, C, H, W] → the same shape, type and layout; weight and bias [C] in x's type. A row's numbers do not
// depend on the other rows. `run`: who computes on a CPU. On CUDA it is queued on the current stream.
// REQUIRES: HasNhwcNorm. Throws Error with what CUDA says.
at::Tensor NhwcNormed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NhwcNorm& norm, const RunBlocks& run);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_DEVICE_NHWC_NORM_H_
