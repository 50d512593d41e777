#include "worker/training/perceptual_distance.h"

namespace mind::training {
namespace {

constexpr double kNormEpsilon = 1e-8;  // squared: a position where nothing is seen has no direction

at::Tensor UnitVectors(const at::Tensor& features) {
  return features * (features.square().sum(1, /*keepdim=*/true) + kNormEpsilon).rsqrt();
}

}  // namespace

PerceptualDistance::PerceptualDistance(const std::string& folder, at::Device device)
    : classifier_(ReadClassifier(folder, device)) {}

at::Tensor PerceptualDistance::operator()(const at::Tensor& x, const at::Tensor& y) const {
  const std::vector<at::Tensor> of_x = classifier_->Levels(x), of_y = classifier_->Levels(y);
  at::Tensor distance = at::zeros({}, x.options());
  for (size_t level = 0; level < of_x.size(); ++level) {
    const at::Tensor apart =
        UnitVectors(of_x[level].to(at::kFloat)) - UnitVectors(of_y[level].to(at::kFloat));
    distance = distance + apart.square().sum(1).mean();
  }
  return distance;
}

}  // namespace mind::training
