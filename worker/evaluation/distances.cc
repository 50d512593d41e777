#include "worker/evaluation/distances.h"

namespace mind::evaluation {
namespace {

at::Tensor Covariance(const at::Tensor& x) {
  const at::Tensor centred = x - x.mean(0, /*keepdim=*/true);
  return at::mm(centred.t(), centred) / static_cast<double>(x.size(0) - 1);
}

// Of a symmetric matrix without negative eigenvalues but for rounding.
at::Tensor Root(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::mm(vectors * values.clamp_min(0).sqrt(), vectors.t());
}

at::Tensor Kernel(const at::Tensor& x, const at::Tensor& y) {
  return (at::mm(x, y.t()) / static_cast<double>(x.size(1)) + 1).pow(3);
}

// The mean of what is off the diagonal.
at::Tensor MeanOfPairs(const at::Tensor& kernel) {
  const double n = static_cast<double>(kernel.size(0));
  return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1));
}

}  // namespace

double FrechetDistance(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x.to(at::kDouble), b = y.to(at::kDouble);
  const at::Tensor sigma_a = Covariance(a), sigma_b = Covariance(b), root = Root(sigma_a);
  // tr (Σa Σb)^½ = tr (Σa^½ Σb Σa^½)^½, and that is symmetric.
  const auto [values, vectors] = at::linalg_eigh(at::mm(at::mm(root, sigma_b), root));
  return ((a.mean(0) - b.mean(0)).square().sum() + sigma_a.trace() + sigma_b.trace() -
          2 * values.clamp_min(0).sqrt().sum())
      .item<double>();
}

double KernelDistance(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x.to(at::kDouble), b = y.to(at::kDouble);
  return (MeanOfPairs(Kernel(a, a)) + MeanOfPairs(Kernel(b, b)) - 2 * Kernel(a, b).mean()).item<double>();
}

}  // namespace mind::evaluation
