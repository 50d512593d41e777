// Resizing pictures as the reference pipelines do.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

// Lanczos with three lobes, which diffusers' VaeImageProcessor uses; the cubic of Keys 1981 with a = -0.5,
// which CLIP's pictures are resized by.
enum class ResizeFilter { kLanczos, kBicubic };

// uint8 [H, W, C] → uint8 [height, width, C], on the CPU: the filter widened where it shrinks, columns before
// rows and rounded to bytes between; rows first where only they become fewer. Equals Pillow 13's Image.resize
// byte by byte (libImaging/Resample.c).
at::Tensor ResizePicture(const at::Tensor& picture, int64_t width, int64_t height,
                         ResizeFilter filter = ResizeFilter::kLanczos);

// How a picture comes to a size of other proportions: drawn out; as large as covers it, and cut to its
// middle; or whole in the middle, and what is left beside it filled with its edges.
enum class Fit { kStretch, kCrop, kFill };

// uint8 [H, W, C] → uint8 [height, width, C], on the CPU. Reference: AUTOMATIC1111 modules/images.py,
// resize_image, modes 0 to 2. Throws RequestError where a picture is so narrow that covering takes too much.
at::Tensor FitPicture(const at::Tensor& picture, int64_t width, int64_t height, Fit fit,
                      ResizeFilter filter = ResizeFilter::kLanczos);

// float [C, H, W] → [C, height, width], bilinearly, its middle where the proportions are others. Reference:
// AUTOMATIC1111's "Latent" upscaler.
at::Tensor FitLatents(const at::Tensor& latents, int64_t width, int64_t height);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_RESIZE_H_
