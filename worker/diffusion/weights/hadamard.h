// The rotation that spreads outliers over a layer's inputs before its weights are rounded (ConvRot, QuaRot).
// Source: leejet/stable-diffusion.cpp, docs/int8_convrot.md.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_HADAMARD_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_HADAMARD_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

// The sides of rotations there are: powers of four up to this.
constexpr int64_t kLargestRotation = 4096;
bool IsRotationSide(int64_t side);

// Float [side, side]: the Kronecker power of {{1, 1, 1, -1}, {1, 1, -1, 1}, {1, -1, 1, 1}, {-1, 1, 1, 1}} /
// 2, symmetric and its own inverse. REQUIRES: IsRotationSide(side)
at::Tensor RegularHadamard(int64_t side);

// Weights [out, in], float, whose inputs were rotated in groups of so many, as they were before. REQUIRES:
// IsRotationSide(group), and it divides `in`
at::Tensor RotatedBack(const at::Tensor& weight, int64_t group);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_HADAMARD_H_
