// Blurring masks, so that what is painted passes into what stays.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_BLUR_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_BLUR_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// uint8 [H, W, 1] → the same shape, on the CPU: a Gaussian of this standard deviation in pixels, cut off at
// two and a half of it; what lies beyond an edge is the mirror of what lies before it. Columns before rows,
// rounded to bytes between. Reference: AUTOMATIC1111 modules/processing.py, which has OpenCV's GaussianBlur
// do it.
at::Tensor BlurMask(const at::Tensor& mask, double deviation);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_BLUR_H_
