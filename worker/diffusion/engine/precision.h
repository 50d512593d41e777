// How exactly a device computes.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_PRECISION_H_
#define MIND_WORKER_DIFFUSION_ENGINE_PRECISION_H_

namespace mind::diffusion {

// From now on, in the whole process, float32 means float32: a CUDA device no longer rounds what convolutions
// and matrix products multiply to TF32's ten bits, which LibTorch lets convolutions do unless told otherwise.
void ComputeInStrictFloat32();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_PRECISION_H_
