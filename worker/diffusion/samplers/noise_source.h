// Where a trajectory's normal noise comes from: a generator of its own, so that no neighbour can shift its
// draws.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SOURCE_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SOURCE_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

// Noise on the way from one to another, 0 … 1 of it: by angle, so that it stays normal. Both [C, h, w], and
// the angles are along the last dimension but one; or embeddings, [D], [n, D] or [D, 1, 1], of which each has
// one. Reference: AUTOMATIC1111/stable-diffusion-webui modules/rng.py, slerp.
at::Tensor BetweenNoises(const at::Tensor& one, const at::Tensor& other, double share);

// Not thread-safe; belongs to the trajectory.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // Standard normal, float32, on the CPU.
  virtual at::Tensor Draw(at::IntArrayRef shape) = 0;
  // Like `like` in shape, dtype and device.
  at::Tensor DrawLike(const at::Tensor& like) { return Draw(like.sizes()).to(like.options()); }
};

// Draws what `torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))` would, call by call, so
// that a seed gives diffusers' starting noise.
class SeededNoise : public NoiseSource {
 public:
  explicit SeededNoise(uint64_t seed);

  at::Tensor Draw(at::IntArrayRef shape) override;

  // The generator between two draws, as torch stores it: uint8, 5056 bytes in LibTorch 1.13.
  at::Tensor State() const;
  // Throws CheckpointError if the tensor is not a state of this kind.
  void Restore(const at::Tensor& state);

 private:
  at::Generator generator_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_NOISE_SOURCE_H_
