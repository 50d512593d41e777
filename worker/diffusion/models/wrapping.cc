#include "worker/diffusion/models/wrapping.h"

namespace mind::diffusion {
namespace {

thread_local bool wraps_now = false;

at::Tensor WrappedIn(const at::Tensor& x, int64_t dim, int64_t lines) {
  const int64_t extent = x.size(dim);
  return at::cat({x.narrow(dim, extent - lines, lines), x, x.narrow(dim, 0, lines)}, dim);
}

}  // namespace

WrapScope::WrapScope(bool wraps) : before_(wraps_now) {
  wraps_now = wraps;
}

WrapScope::~WrapScope() {
  wraps_now = before_;
}

bool WrapScope::active() {
  return wraps_now;
}

at::Tensor Wrapped(const at::Tensor& x, int64_t lines) {
  return WrappedIn(WrappedIn(x, 2, lines), 3, lines);
}

}  // namespace mind::diffusion
