// Maps without edges: what lies beyond one is what lies at the edge across, as for textures that are laid
// side by side.
#ifndef MIND_WORKER_DIFFUSION_MODELS_WRAPPING_H_
#define MIND_WORKER_DIFFUSION_MODELS_WRAPPING_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// While it lives, convolutions of this thread that pad their maps do so from across, or, with false, with
// zeros as ever. The innermost counts. Reference: AUTOMATIC1111 modules/sd_hijack.py, apply_circular.
class WrapScope {
 public:
  explicit WrapScope(bool wraps);
  ~WrapScope();
  WrapScope(const WrapScope&) = delete;
  WrapScope& operator=(const WrapScope&) = delete;

  static bool active();

 private:
  const bool before_;
};

// x [B, C, H, W] with so many lines more on each side, from across. REQUIRES: it has as many
at::Tensor Wrapped(const at::Tensor& x, int64_t lines);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_WRAPPING_H_
