#include "worker/training/crop.h"

#include <algorithm>

#include "worker/diffusion/error.h"

namespace mind::training {

Corners DrawCorners(int64_t count, int64_t height, int64_t width, int64_t extent, StepRandom& random) {
  Corners corners;
  corners.y = random.Integers(height - extent + 1, {count});
  corners.x = random.Integers(width - extent + 1, {count});
  return corners;
}

void ExpectCrop(int64_t extent, int64_t height, int64_t width) {
  if (extent > std::min(height, width)) {
    throw diffusion::ModelError("crop: " + std::to_string(extent) + " latents, the pictures have " +
                                std::to_string(height) + "x" + std::to_string(width));
  }
}

at::Tensor Cropped(const at::Tensor& pictures, const Corners& corners, int64_t extent, int64_t scale) {
  std::vector<at::Tensor> squares;
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    squares.push_back(pictures[i]
                          .narrow(1, corners.y[i].item<int64_t>() * scale, extent * scale)
                          .narrow(2, corners.x[i].item<int64_t>() * scale, extent * scale));
  }
  return at::stack(squares);
}

}  // namespace mind::training
