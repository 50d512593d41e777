#include "worker/diffusion/weights/hadamard.h"

namespace mind::diffusion {

bool IsRotationSide(int64_t side) {
  for (int64_t power = 4; power <= kLargestRotation; power *= 4) {
    if (side == power) return true;
  }
  return false;
}

at::Tensor RegularHadamard(int64_t side) {
  const at::Tensor four = (1 - 2 * at::eye(4, at::kFloat).flip(1)) / 2;
  at::Tensor power = four;
  while (power.size(0) < side) power = at::kron(power, four);
  return power;
}

at::Tensor RotatedBack(const at::Tensor& weight, int64_t group) {
  return at::matmul(weight.reshape({-1, group}), RegularHadamard(group)).view(weight.sizes());
}

}  // namespace mind::diffusion
