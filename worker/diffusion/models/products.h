// The products of numbers and a layer's weights, of which every network here is made: at::linear and
// at::conv2d, but with their terms summed in float32 on every processor.
//
// oneDNN's products of bfloat16 sum in float32, and LibTorch 1 takes them on processors with AVX-512 only:
// on others it sums in bfloat16, which leaves of a picture what one can tell it by and not more. There the
// numbers are brought to float32 for the product and back.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PRODUCTS_H_
#define MIND_WORKER_DIFFUSION_MODELS_PRODUCTS_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::diffusion {

// REQUIRES, of both: x in the weight's type, but for autocast, which decides by itself. An undefined bias is
// none.
at::Tensor LinearProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});
at::Tensor ConvProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       at::IntArrayRef stride = 1, at::IntArrayRef padding = 0, int64_t groups = 1);

// Whether a product with this weight is taken of float32 instead.
bool TakenOfFloat32(const at::Tensor& weight);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PRODUCTS_H_
