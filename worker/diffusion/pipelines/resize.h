// Resizing pictures as the reference pipelines do.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

// uint8 [H, W, C] → uint8 [height, width, C], on the CPU: Lanczos with three lobes, widened where it shrinks,
// columns before rows and rounded to bytes between; rows first where only they become fewer. Equals Pillow
// 13's Image.resize(…, LANCZOS) byte by byte (libImaging/Resample.c), which diffusers' VaeImageProcessor
// uses.
at::Tensor ResizePicture(const at::Tensor& picture, int64_t width, int64_t height);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_
