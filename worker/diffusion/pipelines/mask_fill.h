// What stands in for the painted part of a picture where a request wants its colours to come from around it.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MASK_FILL_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MASK_FILL_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// The picture, uint8 [H, W, 3] on the CPU, with what is bright in the mask, uint8 [H, W, 1], replaced by the
// rest of it, blurred far and then less and less far; grey is replaced so far. Byte for byte what Pillow
// makes of it. Reference: AUTOMATIC1111 modules/masking.py, fill.
at::Tensor FilledIn(const at::Tensor& picture, const at::Tensor& mask);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MASK_FILL_H_
