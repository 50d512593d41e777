#include "worker/training/autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/library.h>
#include <torch/version.h>

namespace mind::training {
namespace {

void Switch(bool cuda, bool on) {
  if (cuda) {
    at::autocast::set_enabled(on);
  } else {
    at::autocast::set_cpu_enabled(on);
  }
}

#if TORCH_VERSION_MAJOR < 2
// On a GPU autocast keeps norms in float. On the CPU LibTorch 1 leaves them alone, and they refuse bfloat16
// beside parameters in float.
at::Tensor GroupNormInFloat(const at::Tensor& x, int64_t groups, const c10::optional<at::Tensor>& weight,
                            const c10::optional<at::Tensor>& bias, double epsilon, bool cudnn) {
  const c10::impl::ExcludeDispatchKeyGuard once(c10::DispatchKey::AutocastCPU);
  return at::group_norm(x.to(at::kFloat), groups, weight, bias, epsilon, cudnn);
}
at::Tensor LayerNormInFloat(const at::Tensor& x, at::IntArrayRef shape,
                            const c10::optional<at::Tensor>& weight, const c10::optional<at::Tensor>& bias,
                            double epsilon, bool cudnn) {
  const c10::impl::ExcludeDispatchKeyGuard once(c10::DispatchKey::AutocastCPU);
  return at::layer_norm(x.to(at::kFloat), shape, weight, bias, epsilon, cudnn);
}
TORCH_LIBRARY_IMPL(aten, AutocastCPU, library) {
  library.impl("group_norm", GroupNormInFloat);
  library.impl("layer_norm", LayerNormInFloat);
}
#endif

}  // namespace

AutocastScope::AutocastScope(Precision precision, at::Device device)
    : on_(precision == Precision::kBFloat16), cuda_(device.is_cuda()) {
  if (!on_) return;
  // Its cache would hold casts of parameters beyond their next change, and graphs of other threads.
  at::autocast::set_autocast_cache_enabled(false);
  if (cuda_) {
    at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
  } else {
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
  }
  Switch(cuda_, true);
}

AutocastScope::~AutocastScope() {
  if (!on_) return;
  Switch(cuda_, false);
  at::autocast::set_autocast_cache_enabled(true);
}

}  // namespace mind::training
