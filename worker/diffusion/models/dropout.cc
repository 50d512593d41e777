#include "worker/diffusion/models/dropout.h"

namespace mind::diffusion {
namespace {

thread_local const DropoutScope* active = nullptr;

}  // namespace

DropoutScope::DropoutScope(double rate, at::Generator generator)
    : rate_(rate), generator_(std::move(generator)) {
  TORCH_CHECK(active == nullptr, "one DropoutScope inside another");
  if (rate > 0) active = this;
}

DropoutScope::~DropoutScope() {
  active = nullptr;
}

at::Tensor ActiveDropout(const at::Tensor& x) {
  if (active == nullptr) return x;
  const at::Tensor drawn = at::rand(x.sizes(), active->generator_, at::TensorOptions().dtype(at::kFloat));
  return x * ((drawn >= active->rate_).to(x.options()) / (1 - active->rate_));
}

}  // namespace mind::diffusion
