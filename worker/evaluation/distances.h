// How far one set of pictures is from another, by the features some network sees in them.
#ifndef MIND_WORKER_EVALUATION_DISTANCES_H_
#define MIND_WORKER_EVALUATION_DISTANCES_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace mind::evaluation {

// x [N, D], y [M, D], N and M > 1. |μx - μy|² + tr(Σx + Σy - 2 (Σx Σy)^½): the Fréchet distance of the normal
// distributions with the same means and covariances; with InceptionV3's 2048 features, FID. Heusel et al.
// 2017, eq. 6. Small sets come out too far apart: compare only equal counts.
double FrechetDistance(const at::Tensor& x, const at::Tensor& y);

// The unbiased squared maximum mean discrepancy for the kernel (x·y / D + 1)³; with InceptionV3's features,
// KID. Bińkowski et al. 2018, sec. 4. May be below zero; its mean does not depend on the counts.
double KernelDistance(const at::Tensor& x, const at::Tensor& y);

}  // namespace mind::evaluation

#endif  // MIND_WORKER_EVALUATION_DISTANCES_H_
