#include "worker/diffusion/models/clip_scorer.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

constexpr double kLeastLength = 1e-12;

}  // namespace

at::Tensor OfLengthOne(const at::Tensor& vectors) {
  return vectors / vectors.norm(2, {-1}, /*keepdim=*/true).clamp_min(kLeastLength);
}

ClipScorer::ClipScorer(const Scope& scope, const ClipVisionConfig& vision, const ClipSight& sight)
    : sight_(sight), vision_(scope, vision), logit_scale_(scope.TakeInFloat32("logit_scale", {})) {}

// As transformers' CLIPImageProcessor, but for the rounding to bytes, through which there is no gradient.
at::Tensor ClipScorer::Pixels(const at::Tensor& picture) const {
  const int64_t height = picture.size(2), width = picture.size(3), shorter = std::min(height, width);
  const auto side = [&](int64_t length) { return sight_.shorter_side * length / shorter; };
  const at::Tensor colours = (picture / 2 + 0.5).expand({picture.size(0), 3, height, width});
  const at::Tensor resized = at::_upsample_bicubic2d_aa(colours, {side(height), side(width)},
                                                        /*align_corners=*/false);
  const at::Tensor square = resized.narrow(2, (side(height) - sight_.side) / 2, sight_.side)
                                .narrow(3, (side(width) - sight_.side) / 2, sight_.side);
  const auto numbers = [&](const std::array<double, 3>& three) {
    return at::tensor(at::ArrayRef<double>(three), at::kFloat).to(picture.device()).view({1, 3, 1, 1});
  };
  return (square - numbers(sight_.mean)) / numbers(sight_.deviation);
}

at::Tensor ClipScorer::Score(const DenoiserInput& input) const {
  const at::Tensor picture = OfLengthOne(vision_(Pixels(input.sample)).embedding.to(at::kFloat));
  return logit_scale_.exp() * (picture * input.told[Condition::kPooled]).sum(1);
}

}  // namespace mind::diffusion
