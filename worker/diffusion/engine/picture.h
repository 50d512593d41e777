// From the float pictures of pipelines to bytes.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_PICTURE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_PICTURE_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// float [3, H, W] in [0, 1], any device → uint8 [H, W, 3] on the CPU, rounded as diffusers does.
inline at::Tensor ToBytes(const at::Tensor& picture) {
  return (picture.to(at::kFloat) * 255)
      .round()
      .clamp(0, 255)
      .to(at::kByte)
      .permute({1, 2, 0})
      .contiguous()
      .cpu();
}

// The way back: uint8 [H, W, 3] → float [3, H, W] in [0, 1].
inline at::Tensor ToFloats(const at::Tensor& picture, at::Device device) {
  return picture.permute({2, 0, 1}).to(device, at::kFloat) / 255;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_PICTURE_H_
