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

// uint8 [H, W, 3] → uint8 [H, W, 1], by ITU-R 601 luma in Pillow's fixed point.
inline at::Tensor ToGrey(const at::Tensor& picture) {
  const at::Tensor weights = at::tensor({19595, 38470, 7471}, at::kInt);
  return ((picture.to(at::kInt) * weights).sum(-1, /*keepdim=*/true) + 0x8000)
      .div(0x10000, "floor")
      .to(at::kByte);
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_PICTURE_H_
