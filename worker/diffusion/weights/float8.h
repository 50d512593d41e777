// Floating point of eight bits, which not every LibTorch has: read into bfloat16, which holds each of its
// values. Source: Micikevicius et al. 2022, "FP8 Formats for Deep Learning", table 1.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_FLOAT8_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_FLOAT8_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

enum class Float8 : uint8_t {
  kNone,  // it is none
  kE4M3,  // four bits of exponent, three of mantissa; up to 448, no infinities ("float8_e4m3fn")
  kE5M2,  // five and two, with infinities
};

float FromFloat8(uint8_t bits, Float8 format);
// A bfloat16 tensor of these bytes. REQUIRES: a format.
at::Tensor FromFloat8(const uint8_t* bytes, at::IntArrayRef shape, Float8 format);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_FLOAT8_H_
