#include "worker/diffusion/weights/fresh_parameters.h"

#include <cmath>

namespace mind::diffusion {

at::Tensor FreshParameters::Take(const std::string& name, at::IntArrayRef shape) {
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  count_ += size;
  if (values_ == Values::kNone) return at::scalar_tensor(0).expand(shape);
  if (shape.size() < 2)
    return name.ends_with("weight") || name.ends_with("gamma") ? at::ones(shape) : at::zeros(shape);
  const double fan_in = static_cast<double>(size) / static_cast<double>(shape[0]);
  return noise_.Draw(shape) / std::sqrt(fan_in);
}

}  // namespace mind::diffusion
