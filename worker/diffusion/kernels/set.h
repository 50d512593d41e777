// All kernels of one instruction set.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_SET_H_
#define MIND_WORKER_DIFFUSION_KERNELS_SET_H_

#include "worker/diffusion/kernels/attend.h"
#include "worker/diffusion/kernels/convolve.h"
#include "worker/diffusion/kernels/elementwise.h"

namespace mind::diffusion::kernels {

template <typename Isa>
constexpr Kernels MakeKernels(const char* name) {
  return {
      .name = name,
      .attend = [](const Attention& attention, float* scratch) { Attender<Isa>(attention, scratch).Run(); },
      .convolve = [](const Convolution& convolution, int64_t first, int64_t last, int64_t from, int64_t to,
                     float* scratch) { Convolver<Isa>(convolution, first, last, scratch).Run(from, to); },
      .group_norm = Elementwise<Isa>::NormGroup,
      .gelu_gate = Elementwise<Isa>::GeluGate};
}

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_SET_H_
