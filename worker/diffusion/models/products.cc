#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

// As LibTorch itself asks before it takes oneDNN's (mkldnn_bf16_device_check).
bool SumsBFloat16InFloat32() {
#if defined(__x86_64__) || defined(__i386__)
  static const bool sums = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                           __builtin_cpu_supports("avx512dq");
  return sums;
#else
  return false;
#endif
}

at::Tensor Whole(const at::Tensor& x) {
  return x.defined() ? x.to(at::kFloat) : x;
}

}  // namespace

bool TakenOfFloat32(const at::Tensor& weight) {
  return weight.scalar_type() == at::kBFloat16 && weight.is_cpu() && !SumsBFloat16InFloat32();
}

at::Tensor LinearProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (TakenOfFloat32(weight))
    return at::linear(Whole(x), Whole(weight), Whole(bias)).to(weight.scalar_type());
  return at::linear(x, weight, bias);
}

at::Tensor ConvProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, int64_t groups) {
  if (TakenOfFloat32(weight))
    return at::conv2d(Whole(x), Whole(weight), Whole(bias), stride, padding, /*dilation=*/1, groups)
        .to(weight.scalar_type());
  return at::conv2d(x, weight, bias, stride, padding, /*dilation=*/1, groups);
}

}  // namespace mind::diffusion
